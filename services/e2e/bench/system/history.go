package system

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// History is a tenant with a past: memberships that come and go, visitors' keys, revocations, late facts.
type History struct {
	*Tenant
	People, Doors, Groups []string
	// Begin and End are when the first and the last event were recorded.
	Begin, End time.Time
	// Grants are some of its grants.
	Grants []string
	// Events are commits, each with one event in the table of events; Rows are the facts that they left.
	Events, Rows int
	// Kinds counts the events.
	Kinds struct{ Keys, Revocations, Joined, Left int }
	// Copied and Settled are how long the rows took, and then the indexes and statistics.
	Copied, Settled time.Duration
}

// What is constant over the years, of the size of the full DataSet.
const (
	historyYears  = 2
	historyPeople = 10_000
	historyDoors  = 5_000
	historyGroups = 500
	historyZones  = 200
	historyToZone = 3_000 // grants of groups to zones
	lateShare     = 20    // one change of that many was true a while before it was recorded
	someGrants    = 1000
	guestShare    = 85 // of 100 changes are about visitors' keys, the others about memberships
)

// connector connects to permissions' database, with its schema.
type connector func(context.Context) (*pgx.Conn, error)

// NewHistory makes a tenant over the API and copies a past of so many events into permissions' tables: each event with the
// rows that the service would have written. The choices follow a fixed seed.
func (s *System) NewHistory(ctx context.Context, events int) (*History, error) {
	tenant, err := s.NewTenant(ctx, "history")
	if err != nil {
		return nil, err
	}
	h := newHistory(tenant, events, time.Now())
	service := func(ctx context.Context) (*pgx.Conn, error) { return s.SQL(ctx, "permissions", "permissions") }
	owner := func(ctx context.Context) (*pgx.Conn, error) {
		config, err := s.Owner("permissions")
		if err != nil {
			return nil, err
		}
		return pgx.ConnectConfig(ctx, config)
	}
	return h, h.write(ctx, service, owner)
}

func newHistory(tenant *Tenant, events int, now time.Time) *History {
	h := &History{Tenant: tenant, Events: events, End: now.UTC().Truncate(time.Second)}
	h.Begin = h.End.AddDate(-historyYears, 0, 0)
	h.People, h.Doors, h.Groups = ids(region.Person, historyPeople), ids(region.Door, historyDoors), ids(region.Group, historyGroups)
	return h
}

// write does what the commits would have done, and what the database does by itself in the minutes after.
func (h *History) write(ctx context.Context, service, owner connector) error {
	began := time.Now()
	err := withoutIndexes(ctx, owner, []string{"events", "event_streams", "memberships", "grants"}, func() error {
		sink, err := newCopies(ctx, service)
		if err != nil {
			return err
		}
		newGenerator(h, sink).run()
		err = sink.close(nil)
		h.Copied = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	if err := once(ctx, service, setHead, h.Org, h.Events+10, h.End); err != nil {
		return fmt.Errorf("set the head: %w", err)
	}
	err = once(ctx, owner, "VACUUM (ANALYZE) memberships, grants, groups, doors, zones, zone_doors, schedules, events, event_streams")
	h.Settled = time.Since(began) - h.Copied
	return err
}

const setHead = `UPDATE org_heads SET version = $2, recorded_at = greatest(recorded_at, $3) WHERE region = 'eu-central' AND org = $1`

func once(ctx context.Context, connect connector, statement string, args ...any) error {
	conn, err := connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement, args...)
	return err
}

// Bytes is what permissions' tables and indexes take.
func (h *History) Bytes(ctx context.Context) (bytes int64, err error) {
	conn, err := h.system.SQL(ctx, "permissions", "permissions")
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT sum(pg_total_relation_size(c.oid))::BIGINT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'permissions' AND c.relkind = 'r'`).Scan(&bytes)
	return bytes, err
}
