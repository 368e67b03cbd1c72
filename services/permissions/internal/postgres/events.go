package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Within a commit the ids of events rise in the order in which they were added.
const (
	eventColumns = `SELECT id, stream, schema_version, version, org_version, kind, payload, actor, cause, traceparent, occurred_at, recorded_at
		FROM events WHERE region = $1 AND org = $2 AND (cardinality($3::TEXT[]) = 0 OR kind = ANY ($3)) `

	eventsOfCommits = eventColumns + `AND org_version > $4 AND org_version <= $5 ORDER BY org_version, id LIMIT $6`

	restOfCommit = eventColumns + `AND org_version = $4 AND id > $5 ORDER BY id`
)

// maxEventBytes ends an answer early, at a commit's end: payloads may have hundreds of kilobytes.
const maxEventBytes = 1 << 20

// Events implements grants.EventReader.
func (r *reader) Events(ctx context.Context, home region.Name, org region.ID, from, to int64, kinds []string, limit int) ([]grants.Event, bool, error) {
	if kinds == nil {
		kinds = []string{}
	}
	events, full, err := r.events(ctx, limit, eventsOfCommits, home, org, kinds, from, to, limit)
	if err != nil || !full {
		return events, false, wrap(err, "read the events of %s", org)
	}
	last := events[len(events)-1]
	rest, _, err := r.events(ctx, 0, restOfCommit, home, org, kinds, last.OrgVersion, last.ID)
	return append(events, rest...), true, wrap(err, "read the events of %s", org)
}

// events reads rows until there are limit of them, or many bytes; full tells that. A limit of 0 is none, for bytes too.
func (r *reader) events(ctx context.Context, limit int, sql string, args ...any) (events []grants.Event, full bool, err error) {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	size := 0
	for !full && rows.Next() {
		e, err := pgx.RowToStructByName[grants.Event](rows)
		if err != nil {
			return nil, false, err
		}
		e.OccurredAt, e.RecordedAt = e.OccurredAt.UTC(), e.RecordedAt.UTC()
		events = append(events, e)
		size += len(e.Payload)
		full = limit > 0 && (len(events) == limit || size >= maxEventBytes)
	}
	rows.Close()
	return events, full, rows.Err()
}

const selectVersions = `SELECT region::TEXT, org, version FROM org_heads
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND org = ANY ($2)`

// Versions returns the heads of organizations in regions of this jurisdiction, those that there are.
func (s *Store) Versions(ctx context.Context, of []grants.Token) (heads []grants.Token, err error) {
	var homes, orgs []string
	for _, t := range of {
		homes, orgs = append(homes, string(t.Region)), append(orgs, string(t.Org))
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectVersions, homes, orgs)
		if err != nil {
			return err
		}
		head := grants.Token{Service: Service}
		heads = nil
		_, err = pgx.ForEachRow(rows, []any{&head.Region, &head.Org, &head.Version}, func() error {
			heads = append(heads, head)
			return nil
		})
		return err
	})
	return heads, wrap(err, "read heads")
}
