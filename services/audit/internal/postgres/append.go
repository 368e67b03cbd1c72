package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Locked in one order, so that two writers of the same ledgers wait for each other and do not deadlock.
const lockHeads = `SELECT org, size, hash FROM ledger_heads WHERE region = $1 AND org = ANY ($2) ORDER BY org FOR UPDATE`

const knownEvents = `SELECT e.org, e.event_id
FROM unnest($2::text[], $3::text[]) AS n (org, event_id)
JOIN ledger_entries AS e ON e.region = $1 AND e.org = n.org AND e.event_id = n.event_id`

const insertHeads = `INSERT INTO ledger_heads (region, org, size, hash)
SELECT $1::crdb_internal_region, n.org, 0, $3 FROM unnest($2::text[]) AS n (org)
ON CONFLICT (region, org) DO NOTHING`

const insertEntries = `INSERT INTO ledger_entries (region, org, position, event_id, body_sha256, previous_hash, hash, appended_at)
SELECT $1::crdb_internal_region, n.org, n.position, n.event_id, n.body_sha256, n.previous_hash, n.hash, $8
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[])
  AS n (org, position, event_id, body_sha256, previous_hash, hash)`

const insertBodies = `INSERT INTO ledger_bodies (region, org, position, body, service, kind, door, person, occurred_at, device, boot_epoch, lock_sequence)
SELECT $1::crdb_internal_region, n.org, n.position, n.body, n.service, n.kind, n.door, n.person, n.occurred_at, n.device, n.boot_epoch, n.lock_sequence
FROM unnest($2::text[], $3::bigint[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::text[], $11::bigint[], $12::bigint[])
  AS n (org, position, body, service, kind, door, person, occurred_at, device, boot_epoch, lock_sequence)`

const advanceHeads = `UPDATE ledger_heads AS h SET size = n.size, hash = n.hash
FROM unnest($2::text[], $3::bigint[], $4::bytea[]) AS n (org, size, hash)
WHERE h.region = $1 AND h.org = n.org`

// Append adds events, in their order, to the ledgers of their organizations in a region, all in one transaction, and
// returns how many were new. An event whose id its ledger has already is passed over, whatever its body: a lock resends
// an event through another gateway, which adds its own name and time.
func (s *Store) Append(ctx context.Context, in region.Name, events []ledger.Event, at time.Time) (appended int, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		a := appending{region: in, at: at, heads: map[region.ID]ledger.Head{}, known: map[eventKey]bool{}}
		if err := a.load(ctx, tx, events); err != nil {
			return err
		}
		for _, e := range events {
			a.add(e)
		}
		appended = len(a.entries)
		return a.save(ctx, tx)
	})
	return appended, err
}

// Refused says whether err is about the data and not about the database: the same events will fail the same way again.
func Refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.ContainsFunc([]string{"22", "23", "54"}, func(class string) bool { return strings.HasPrefix(pg.Code, class) })
}

type eventKey struct {
	org region.ID
	id  string
}

// appending is one attempt of one transaction.
type appending struct {
	region  region.Name
	at      time.Time
	heads   map[region.ID]ledger.Head
	known   map[eventKey]bool
	entries []placed
}

// placed is a new entry and the event it is of.
type placed struct {
	event ledger.Event
	entry ledger.Entry
}

// load locks the heads of all organizations of events, makes those that are missing, and looks which events are known.
func (a *appending) load(ctx context.Context, tx pgx.Tx, events []ledger.Event) error {
	ids := column(events, func(e ledger.Event) string { return e.ID })
	orgOfEach := column(events, func(e ledger.Event) string { return string(e.Org) })
	orgs := slices.Compact(slices.Sorted(slices.Values(orgOfEach)))
	batch := new(pgx.Batch)
	batch.Queue(lockHeads, string(a.region), orgs).Query(func(rows pgx.Rows) error {
		var org string
		var size int64
		var hash []byte
		_, err := pgx.ForEachRow(rows, []any{&org, &size, &hash}, func() error {
			h, err := ledger.HashFromBytes(hash)
			a.heads[region.ID(org)] = ledger.Head{Size: size, Hash: h}
			return err
		})
		return err
	})
	batch.Queue(knownEvents, string(a.region), orgOfEach, ids).Query(func(rows pgx.Rows) error {
		var org, id string
		_, err := pgx.ForEachRow(rows, []any{&org, &id}, func() error {
			a.known[eventKey{region.ID(org), id}] = true
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("read the heads of %d ledgers: %w", len(orgs), err)
	}
	missing := slices.DeleteFunc(orgs, func(org string) bool { _, have := a.heads[region.ID(org)]; return have })
	if len(missing) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, insertHeads, string(a.region), missing, make([]byte, len(ledger.Hash{}))); err != nil {
		return fmt.Errorf("begin %d ledgers: %w", len(missing), err)
	}
	return nil
}

// add places one event, unless its ledger has it or a copy came before it in the same batch.
func (a *appending) add(e ledger.Event) {
	key := eventKey{e.Org, e.ID}
	if a.known[key] {
		return
	}
	entry := ledger.ID{Org: e.Org, Region: a.region}.Next(a.heads[e.Org], e.ID, e.Body, a.at)
	a.known[key] = true
	a.heads[e.Org] = entry.Head()
	a.entries = append(a.entries, placed{event: e, entry: entry})
}

func (a *appending) save(ctx context.Context, tx pgx.Tx) error {
	if len(a.entries) == 0 {
		return nil
	}
	in := string(a.region)
	orgs := column(a.entries, func(p placed) string { return string(p.event.Org) })
	positions := column(a.entries, func(p placed) int64 { return p.entry.Position })
	batch := new(pgx.Batch)
	batch.Queue(insertEntries, in, orgs, positions,
		column(a.entries, func(p placed) string { return p.entry.EventID }),
		column(a.entries, func(p placed) []byte { return p.entry.BodySHA256[:] }),
		column(a.entries, func(p placed) []byte { return p.entry.Previous[:] }),
		column(a.entries, func(p placed) []byte { return p.entry.Hash[:] }),
		a.entries[0].entry.AppendedAt)
	batch.Queue(insertBodies, in, orgs, positions,
		column(a.entries, func(p placed) []byte { return p.entry.Body }),
		column(a.entries, func(p placed) string { return p.event.Service }),
		column(a.entries, func(p placed) string { return p.event.Kind }),
		column(a.entries, func(p placed) string { return string(p.event.Door) }),
		column(a.entries, func(p placed) string { return string(p.event.Person) }),
		column(a.entries, func(p placed) time.Time { return p.event.OccurredAt }),
		column(a.entries, func(p placed) string { return string(p.event.Device) }),
		column(a.entries, func(p placed) int64 { return p.event.Lock.Epoch }),
		column(a.entries, func(p placed) int64 { return p.event.Lock.Sequence }))
	advanced := slices.Compact(slices.Sorted(slices.Values(orgs)))
	batch.Queue(advanceHeads, in, advanced,
		column(advanced, func(org string) int64 { return a.heads[region.ID(org)].Size }),
		column(advanced, func(org string) []byte { h := a.heads[region.ID(org)].Hash; return h[:] }))
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("append %d entries: %w", len(a.entries), err)
	}
	return nil
}

// column takes one value of each row: statements get a whole batch as one array for each column.
func column[R, V any](rows []R, value func(R) V) []V {
	values := make([]V, len(rows))
	for i, r := range rows {
		values[i] = value(r)
	}
	return values
}
