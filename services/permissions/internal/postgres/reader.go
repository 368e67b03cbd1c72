package postgres

import (
	"context"
	"errors"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// reader is grants.Reader over one transaction.
type reader struct {
	tx      pgx.Tx
	outbox  *outbox.Outbox
	regions *region.Map
}

var _ grants.Reader = (*reader)(nil)

const selectHead = `SELECT version, recorded_at FROM org_heads WHERE region = $1 AND org = $2`

func (r *reader) Head(ctx context.Context, home region.Name, org region.ID) (grants.Head, error) {
	head := grants.Head{Token: grants.Token{Service: Service, Region: home, Org: org}}
	err := r.tx.QueryRow(ctx, selectHead, home, org).Scan(&head.Version, &head.RecordedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return head, nil
	}
	head.RecordedAt = head.RecordedAt.UTC()
	return head, wrap(err, "read the head of %s", org)
}

const selectHeads = `SELECT region::TEXT, version, recorded_at FROM org_heads
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND org = $2`

func (r *reader) Heads(ctx context.Context, home region.Name, org region.ID) (head grants.Head, latest time.Time, err error) {
	head = grants.Head{Token: grants.Token{Service: Service, Region: home, Org: org}}
	around, err := r.around(home)
	if err != nil {
		return head, latest, err
	}
	rows, err := r.tx.Query(ctx, selectHeads, around, org)
	if err != nil {
		return head, latest, wrap(err, "read the heads of %s", org)
	}
	var at region.Name
	var version int64
	var recorded time.Time
	_, err = pgx.ForEachRow(rows, []any{&at, &version, &recorded}, func() error {
		if at == home {
			head.Version, head.RecordedAt = version, recorded.UTC()
		}
		if recorded.After(latest) {
			latest = recorded.UTC()
		}
		return nil
	})
	return head, latest, wrap(err, "read the heads of %s", org)
}

func (r *reader) Fresh(ctx context.Context, tokens []grants.Token) error {
	wire := make([]*typev1.ConsistencyToken, len(tokens))
	for i, t := range tokens {
		wire[i] = &typev1.ConsistencyToken{Service: t.Service, Region: string(t.Region), OrgId: string(t.Org), Version: t.Version}
	}
	return r.outbox.Fresh(ctx, r.tx, wire)
}

// lookup is how things of one kind are read by their ids: several of a region at once. sql takes region, ids and
// organization, and the id is its first column.
//
// Each id is looked up for itself (LATERAL; OFFSET 0 keeps PostgreSQL from making a join of it): so the plan uses the whole
// key whatever is known of the table. With region = $1 AND id = ANY ($2) PostgreSQL reads the whole region as long as the
// table was never analyzed, and keeps doing so in a prepared statement.
type lookup[T any] struct {
	sql  string
	scan func(org region.ID, row pgx.CollectableRow) (region.ID, T, error)
}

const selectSites = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
		SELECT s.id, s.name, s.time_zone FROM sites s
		WHERE s.region = $1 AND s.id = w.id AND s.org = $3 AND s.superseded_at IS NULL AND s.valid_to IS NULL OFFSET 0) t`

var sites = lookup[grants.Site]{selectSites, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Site, error) {
	s := grants.Site{Org: org}
	err := row.Scan(&s.ID, &s.Name, &s.TimeZone)
	return s.ID, s, err
}}

func (r *reader) Site(ctx context.Context, org, id region.ID) (grants.Site, error) {
	return one(ctx, r, sites, org, id)
}

const selectZones = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
		SELECT z.id, z.site_id, z.name, ARRAY(SELECT d.door_id FROM zone_doors d
			WHERE d.region = $1 AND d.zone_id = z.id AND d.superseded_at IS NULL AND d.valid_to IS NULL ORDER BY d.door_id)
		FROM zones z
		WHERE z.region = $1 AND z.id = w.id AND z.org = $3 AND z.superseded_at IS NULL AND z.valid_to IS NULL OFFSET 0) t`

var zones = lookup[grants.Zone]{selectZones, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Zone, error) {
	z := grants.Zone{Org: org}
	err := row.Scan(&z.ID, &z.Site, &z.Name, &z.Doors)
	return z.ID, z, err
}}

func (r *reader) Zone(ctx context.Context, org, id region.ID) (grants.Zone, error) {
	return one(ctx, r, zones, org, id)
}

const selectSchedules = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
		SELECT s.id, s.site_id, s.name, s.time_zone, s.spec FROM schedules s
		WHERE s.region = $1 AND s.id = w.id AND s.org = $3 AND s.superseded_at IS NULL AND s.valid_to IS NULL OFFSET 0) t`

var schedules = lookup[grants.Schedule]{selectSchedules, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Schedule, error) {
	s := grants.Schedule{Org: org}
	var spec []byte
	if err := row.Scan(&s.ID, &s.Site, &s.Name, &s.TimeZone, &spec); err != nil {
		return s.ID, s, err
	}
	var err error
	s.Spec, err = decodeSpec(spec)
	return s.ID, s, err
}}

func (r *reader) Schedule(ctx context.Context, org, id region.ID) (grants.Schedule, error) {
	return one(ctx, r, schedules, org, id)
}

const selectGroups = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
		SELECT g.id, g.name FROM groups g
		WHERE g.region = $1 AND g.id = w.id AND g.org = $3 AND g.superseded_at IS NULL AND g.valid_to IS NULL OFFSET 0) t`

var groups = lookup[grants.Group]{selectGroups, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Group, error) {
	g := grants.Group{Org: org}
	err := row.Scan(&g.ID, &g.Name)
	return g.ID, g, err
}}

func (r *reader) Group(ctx context.Context, org, id region.ID) (grants.Group, error) {
	return one(ctx, r, groups, org, id)
}

const selectGrants = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
		SELECT g.id, g.version, g.subject_id, g.target_id, g.schedule_id, g.site_id, g.revoked, g.valid_from, g.valid_to FROM grants g
		WHERE g.region = $1 AND g.id = w.id AND g.org = $3 AND g.superseded_at IS NULL OFFSET 0) t`

var allGrants = lookup[grants.Grant]{selectGrants, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Grant, error) {
	g := grants.Grant{Org: org}
	var to *time.Time
	err := row.Scan(&g.ID, &g.Version, &g.Subject, &g.Target, &g.Schedule, &g.Site, &g.Revoked, &g.Validity.From, &to)
	g.Validity = grants.Validity{From: g.Validity.From.UTC(), To: ends(to)}
	return g.ID, g, err
}}

func (r *reader) Grant(ctx context.Context, org, id region.ID) (grants.Grant, error) {
	return one(ctx, r, allGrants, org, id)
}

// one looks up a single thing.
func one[T any](ctx context.Context, r *reader, l lookup[T], org, id region.ID) (found T, err error) {
	home, err := r.home(id)
	if err != nil {
		return found, err
	}
	rows, err := r.tx.Query(ctx, l.sql, home, []string{string(id)}, org)
	if err != nil {
		return found, wrap(err, "read %s", id)
	}
	found, err = pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (T, error) {
		_, found, err := l.scan(org, row)
		return found, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return found, grants.NotFound(id)
	}
	return found, wrap(err, "read %s", id)
}

func (r *reader) ids(ctx context.Context, query string, args ...any) ([]region.ID, error) {
	rows, err := r.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[region.ID])
}

func texts(ids []region.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}
