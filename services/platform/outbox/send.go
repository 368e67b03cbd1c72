package outbox

import (
	"context"
	"fmt"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// selectWaiting reads a page. Within one organization it misses none between two rows that it returns: a version is
// committed before the next one is made.
const selectWaiting = `SELECT o.org, o.org_version, o.ordinal, o.what, o.name, o.body, o.fact_version, o.removed, o.traceparent,
		e.stream, e.version, e.schema_version, e.kind, e.payload, e.sealed, e.key_id, e.actor, e.cause, e.occurred_at, e.recorded_at
	FROM outbox o LEFT JOIN events e ON o.what = 'event' AND e.region = o.region AND e.id = o.name
	WHERE o.region = $1 AND o.target = $2 AND o.org <> ALL ($3::TEXT[])
	ORDER BY o.org, o.org_version, o.ordinal LIMIT $4`

// waitingRow is an outbox row, with its event where it has one.
type waitingRow struct {
	Org         string
	OrgVersion  int64
	Ordinal     int
	What        string
	Name        string
	Body        []byte
	FactVersion int64
	Removed     bool
	Traceparent string

	Stream        *string
	Version       *int64
	SchemaVersion *int32
	Kind          *string
	Payload       []byte
	Sealed        []byte
	KeyID         *string
	Actor         *string
	Cause         *string
	OccurredAt    *time.Time
	RecordedAt    *time.Time
}

// databaseTimeout bounds reading and deleting a page.
const databaseTimeout = 5 * time.Second

func (l *lane) fetch(ctx context.Context, without []string) ([]waitingRow, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	rows, err := l.relay.cfg.DB.Pool().Query(ctx, selectWaiting, l.home, string(l.target), without, pageSize)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[waitingRow])
}

const deleteSent = `DELETE FROM outbox WHERE region = $1 AND target = $2 AND org = $3 AND (org_version, ordinal) <= ($4, $5)`

// moveSent also keeps the facts, of each key the latest.
const moveSent = `WITH sent AS (
		DELETE FROM outbox WHERE region = $1 AND target = $2 AND org = $3 AND (org_version, ordinal) <= ($4, $5)
		RETURNING org_version, ordinal, what, name, fact_version, removed, body
	), latest AS (
		SELECT DISTINCT ON (name) name, fact_version, removed, body FROM sent WHERE what = 'state' AND name <> $6
		ORDER BY name, fact_version DESC, org_version DESC, ordinal DESC
	)
	INSERT INTO access_facts (region, org, name, version, removed, body)
	SELECT $1, $3, name, fact_version, removed, body FROM latest
	ON CONFLICT (region, org, name) DO UPDATE
	SET version = excluded.version, removed = excluded.removed, body = excluded.body
	WHERE access_facts.version < excluded.version`

// delete removes the rows that were acknowledged, also when ctx has just ended. All rows of an organization that are
// below one that was sent were sent before it: nothing else is deleted, however late this comes.
func (l *lane) delete(ctx context.Context, done []ack) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	var batch pgx.Batch
	for _, a := range done {
		if a.sent > 0 {
			l.queueDelete(&batch, a.org, a.rows[a.sent-1])
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	return l.relay.cfg.DB.Pool().SendBatch(ctx, &batch).Close()
}

// queueDelete takes an organization's rows up to the last one out of the outbox. The home's own lane keeps their facts.
func (l *lane) queueDelete(batch *pgx.Batch, org string, last waitingRow) {
	if cfg := l.relay.cfg.Outbox.cfg; cfg.AccessState && l.target == l.home {
		head := HeadKey(region.ID(org), cfg.Service, l.home)
		batch.Queue(moveSent, l.home, string(l.target), org, last.OrgVersion, last.Ordinal, head)
		return
	}
	batch.Queue(deleteSent, l.home, string(l.target), org, last.OrgVersion, last.Ordinal)
}

// sendRow sends one row within the time for one. Its spans join the trace of the commit.
func (l *lane) sendRow(ctx context.Context, row waitingRow) (err error) {
	ctx, cancel := context.WithTimeout(withTraceparent(ctx, row.Traceparent), l.relay.cfg.SendTimeout)
	defer cancel()
	defer func() { l.relay.meters.count(ctx, l.path, row.What, err) }()
	cfg := l.relay.cfg
	org := region.ID(row.Org)
	switch row.What {
	case state:
		bucket := Bucket(l.target, cfg.Outbox.cfg.Shard(org))
		return cfg.Publisher.PutState(ctx, l.target, bucket, row.Name, row.record())
	case anEvent:
		if row.Stream == nil {
			return fmt.Errorf("event %s is not in the log", row.Name)
		}
		return cfg.Publisher.PublishEvent(ctx, Subject(l.home, cfg.Outbox.cfg.Service, org, *row.Kind), l.event(row))
	case aCall:
		return cfg.Caller.Call(ctx, l.target, row.Name, row.Body)
	}
	return fmt.Errorf("rows of kind %q are from a newer version of this service", row.What)
}

func (row waitingRow) record() *typev1.StateRecord {
	return &typev1.StateRecord{Version: row.FactVersion, Removed: row.Removed, Body: row.Body, Traceparent: row.Traceparent}
}

func (l *lane) event(row waitingRow) *typev1.Event {
	return &typev1.Event{
		Id: row.Name, SchemaVersion: *row.SchemaVersion, Region: string(l.home), OrgId: row.Org, Service: l.relay.cfg.Outbox.cfg.Service,
		Stream: *row.Stream, Version: *row.Version, OrgVersion: row.OrgVersion, Kind: *row.Kind, Payload: row.Payload, Sealed: row.Sealed,
		KeyId: *row.KeyID, Actor: *row.Actor, Cause: *row.Cause, Traceparent: row.Traceparent,
		OccurredAt: timestamppb.New(*row.OccurredAt), RecordedAt: timestamppb.New(*row.RecordedAt),
	}
}
