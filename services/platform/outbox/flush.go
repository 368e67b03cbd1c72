package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const (
	insertEvent = `WITH next AS (
		INSERT INTO event_streams (region, stream, version) VALUES ($1::crdb_internal_region, $2::TEXT, 1)
		ON CONFLICT (region, stream) DO UPDATE SET version = event_streams.version + 1
		RETURNING version
	)
	INSERT INTO events (region, stream, version, id, schema_version, org, org_version, kind, payload, sealed, key_id,
		actor, cause, traceparent, occurred_at, recorded_at)
	SELECT $1::crdb_internal_region, $2::TEXT, next.version, $3::TEXT, $4::INT, $5::TEXT, $6::BIGINT, $7::TEXT, $8::BYTEA,
		$9::BYTEA, $10::TEXT, $11::TEXT, $12::TEXT, $13::TEXT, $14::TIMESTAMPTZ, $15::TIMESTAMPTZ FROM next`

	insertOutbox = `INSERT INTO outbox (region, target, org, org_version, ordinal, what, name, body, fact_version, removed, traceparent)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
)

// Flush writes all that was collected in one round trip and returns the commit's token. It is the last use of c. The
// relays of this process are woken when the transaction has committed. ctx must be the one that InTx gave to its closure.
//
// Order within the commit, per target: removals, facts, the head, events, calls. So a gateway that sees the head has all
// that the commit changed, and at no moment more is allowed than before or after.
func (c *Commit) Flush(ctx context.Context) (*typev1.ConsistencyToken, error) {
	if c.flushed {
		c.fail(errors.New("flushed twice"))
	}
	rows := c.rows()
	if !database.AfterCommit(ctx, func() { c.outbox.wake(c.paths(rows)) }) {
		c.fail(errors.New("the context is not that of InTx's closure"))
	}
	if c.err != nil {
		return nil, fmt.Errorf("outbox: %w", c.err)
	}
	c.flushed = true
	var batch pgx.Batch
	c.writeEvents(&batch)
	for i, row := range rows {
		batch.Queue(insertOutbox, c.Region, row.Target, c.Org, c.Version, i+1, row.What, row.Name, row.Body, row.FactVersion, row.Removed,
			c.context.traceparent)
	}
	c.writeTargets(&batch)
	if err := c.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("outbox: write the commit: %w", err)
	}
	return c.token(), nil
}

func (c *Commit) writeEvents(batch *pgx.Batch) {
	for _, e := range c.events {
		batch.Queue(insertEvent, c.Region, e.of.Stream, e.id, e.schema, c.Org, c.Version, e.of.Kind, e.body, e.of.Sealed, e.of.KeyID,
			c.context.actor, c.context.cause, c.context.traceparent, e.of.OccurredAt, c.RecordedAt)
	}
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
	facts := append(append([]fact{}, c.removals...), c.puts...)
	if c.outbox.cfg.AccessState {
		facts = append(facts, fact{key: HeadKey(c.Org, c.outbox.cfg.Service, c.Region), version: c.Version, body: []byte{}})
	}
	for _, f := range facts {
		for _, target := range c.outbox.cfg.Regions.In(c.home.Jurisdiction) {
			rows = append(rows, row{Target: target.Name, What: state, Name: f.key, Body: f.body, FactVersion: f.version, Removed: f.removed})
		}
	}
	for _, e := range c.events {
		rows = append(rows, row{Target: c.Region, What: anEvent, Name: string(e.id)})
	}
	for _, call := range c.calls {
		rows = append(rows, row{Target: call.target, What: aCall, Name: call.procedure, Body: call.body})
	}
	return rows
}
