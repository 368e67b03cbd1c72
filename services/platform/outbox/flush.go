package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// One statement for all events of a commit: each stream goes forward by as many as it gets, and an event's version is that
// less those that come after it in its stream.
const insertEvents = `WITH next AS (
		INSERT INTO event_streams (region, stream, version)
		SELECT $1::crdb_internal_region, s.stream, s.more FROM unnest($5::TEXT[], $6::BIGINT[]) AS s (stream, more)
		ON CONFLICT (region, stream) DO UPDATE SET version = event_streams.version + excluded.version
		RETURNING stream, version
	)
	INSERT INTO events (region, stream, version, id, schema_version, org, org_version, kind, payload, sealed, key_id,
		actor, cause, traceparent, occurred_at, recorded_at)
	SELECT $1::crdb_internal_region, e.stream, next.version - e.later, e.id, e.schema_version, $2::TEXT, $3::BIGINT, e.kind, e.payload,
		e.sealed, e.key_id, e.actor, e.cause, e.traceparent, e.occurred_at, $4::TIMESTAMPTZ
	FROM unnest($7::TEXT[], $8::BIGINT[], $9::TEXT[], $10::INT[], $11::TEXT[], $12::BYTEA[], $13::BYTEA[], $14::TEXT[], $15::TEXT[],
			$16::TEXT[], $17::TEXT[], $18::TIMESTAMPTZ[])
		AS e (stream, later, id, schema_version, kind, payload, sealed, key_id, actor, cause, traceparent, occurred_at)
	JOIN next ON next.stream = e.stream`

const insertOutbox = `INSERT INTO outbox (region, target, org, org_version, ordinal, what, name, body, fact_version, removed, traceparent)
	SELECT $1::crdb_internal_region, r.target, $2::TEXT, $3::BIGINT, r.ordinal, r.what, r.name, r.body, r.fact_version, r.removed, r.traceparent
	FROM unnest($4::TEXT[], $5::INT[], $6::TEXT[], $7::TEXT[], $8::BYTEA[], $9::BIGINT[], $10::BOOL[], $11::TEXT[])
		AS r (target, ordinal, what, name, body, fact_version, removed, traceparent)`

// Flush writes all that was collected in one round trip and returns the commit's token. It is the last use of c. The
// relays of this process are woken when the transaction has committed. ctx must be the one that InTx gave to its closure.
//
// Order within the commit, per target: removals, facts, the head, events, calls. So a gateway that sees the head has all
// that the commit changed, and at no moment more is allowed than before or after.
func (c *Commit) Flush(ctx context.Context) (*typev1.ConsistencyToken, error) {
	var batch pgx.Batch
	if err := c.FlushIn(ctx, &batch); err != nil {
		return nil, err
	}
	if err := c.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("outbox: write the commit: %w", err)
	}
	return c.token(), nil
}

// FlushIn is Flush whose statements are added to batch, as few for many events as for one. The caller sends it.
func (c *Commit) FlushIn(ctx context.Context, batch *pgx.Batch) error {
	if c.flushed {
		c.fail(errors.New("flushed twice"))
	}
	rows := c.rows()
	if !database.AfterCommit(ctx, func() { c.outbox.wake(c.paths(rows)) }) {
		c.fail(errors.New("the context is not that of InTx's closure"))
	}
	if c.err != nil {
		return fmt.Errorf("outbox: %w", c.err)
	}
	c.flushed = true
	c.writeEvents(batch)
	c.writeRows(batch, rows)
	c.writeTargets(batch)
	return nil
}

func (c *Commit) writeEvents(batch *pgx.Batch) {
	if len(c.events) == 0 {
		return
	}
	var (
		streams, of, ids, kinds, keys, actors, causes, parents []string
		more, later                                            []int64
		schemas                                                []int32
		bodies, sealed                                         [][]byte
		occurred                                               []time.Time
		known                                                  = map[region.ID]int{} // where a stream is in streams and more
	)
	for _, e := range c.events {
		at, is := known[e.of.Stream]
		if !is {
			at = len(streams)
			known[e.of.Stream] = at
			streams, more = append(streams, string(e.of.Stream)), append(more, 0)
		}
		more[at]++
		of, later, ids = append(of, string(e.of.Stream)), append(later, more[at]), append(ids, string(e.id))
		schemas, kinds, bodies = append(schemas, e.schema), append(kinds, e.of.Kind), append(bodies, e.body)
		sealed, keys = append(sealed, e.of.Sealed), append(keys, e.of.KeyID)
		actors, causes, parents = append(actors, e.context.actor), append(causes, e.context.cause), append(parents, e.context.traceparent)
		occurred = append(occurred, e.of.OccurredAt)
	}
	for i, e := range c.events {
		later[i] = more[known[e.of.Stream]] - later[i]
	}
	batch.Queue(insertEvents, c.Region, c.Org, c.Version, c.RecordedAt, streams, more,
		of, later, ids, schemas, kinds, bodies, sealed, keys, actors, causes, parents, occurred)
}

func (c *Commit) writeRows(batch *pgx.Batch, rows []row) {
	if len(rows) == 0 {
		return
	}
	var (
		targets, whats, names, parents []string
		ordinals                       []int32
		bodies                         [][]byte
		versions                       []int64
		removed                        []bool
	)
	for i, r := range rows {
		targets, whats, names = append(targets, string(r.Target)), append(whats, r.What), append(names, r.Name)
		ordinals, bodies = append(ordinals, int32(i+1)), append(bodies, r.Body)
		versions, removed, parents = append(versions, r.FactVersion), append(removed, r.Removed), append(parents, r.Traceparent)
	}
	batch.Queue(insertOutbox, c.Region, c.Org, c.Version, targets, ordinals, whats, names, bodies, versions, removed, parents)
}

// What a row is for.
const (
	state   = "state"
	anEvent = "event"
	aCall   = "call"
)

// row is what the table outbox says beside the commit it belongs to.
type row struct {
	Target      region.Name
	What        string
	Name        string
	Body        []byte
	FactVersion int64
	Removed     bool
	Traceparent string
}

func (c *Commit) paths(rows []row) []path {
	var paths []path
	for _, r := range rows {
		if p := (path{home: c.Region, target: r.Target}); !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}

func (c *Commit) rows() []row {
	var rows []row
	for _, f := range c.ordered() {
		for _, target := range c.outbox.cfg.Regions.In(c.home.Jurisdiction) {
			rows = append(rows, row{
				Target: target.Name, What: state, Name: f.key, Body: f.body, FactVersion: f.version, Removed: f.removed, Traceparent: f.context.traceparent,
			})
		}
	}
	for _, e := range c.events {
		rows = append(rows, row{Target: c.Region, What: anEvent, Name: string(e.id), Traceparent: e.context.traceparent})
	}
	for _, call := range c.calls {
		rows = append(rows, row{Target: call.target, What: aCall, Name: call.procedure, Body: call.body, Traceparent: call.context.traceparent})
	}
	return rows
}

// ordered returns the facts as they are to be sent: removals, then puts, then the head. A key has one record at a version,
// so of several facts about one key only the last is sent.
func (c *Commit) ordered() []fact {
	last := make(map[string]int, len(c.facts))
	for i, f := range c.facts {
		last[f.key] = i
	}
	var facts []fact
	for _, removed := range []bool{true, false} {
		for i, f := range c.facts {
			if f.removed == removed && last[f.key] == i {
				facts = append(facts, f)
			}
		}
	}
	if c.outbox.cfg.AccessState {
		facts = append(facts, fact{key: HeadKey(c.Org, c.outbox.cfg.Service, c.Region), version: c.Version, body: []byte{}, context: c.context})
	}
	return facts
}
