package postgres

import (
	"context"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const selectGroup = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
	SELECT g.id, g.version, g.name FROM groups g
	WHERE g.region = $1 AND g.id = w.id AND g.org = $3 AND g.superseded_at IS NULL AND g.valid_to IS NULL OFFSET 0) t`

var groups = lookup[grants.Group]{selectGroup, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Group, error) {
	g := grants.Group{Org: org}
	err := row.Scan(&g.ID, &g.Version, &g.Name)
	return g.ID, g, err
}}

func (r *reader) Group(ctx context.Context, org, id region.ID) (grants.Group, error) {
	return one(ctx, r, groups, org, id)
}

// A few are enough to say why not.
const selectNaming = `SELECT id FROM doors
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND org = $2 AND superseded_at IS NULL AND valid_to IS NULL
		AND (rules->'first_person'->>'subject' = $3 OR rules->'offline'->>'emergency' = $3)
	ORDER BY id LIMIT 3`

func (w *writer) DoorsNaming(ctx context.Context, near region.Name, org, subject region.ID) ([]region.ID, error) {
	around, err := w.around(near)
	if err != nil {
		return nil, err
	}
	doors, err := w.ids(ctx, selectNaming, around, org, subject)
	return doors, wrap(err, "read which doors name %s", subject)
}

const selectGroups = `SELECT id, version, name FROM groups
	WHERE region = $1 AND org = $2 AND id > $3 AND superseded_at IS NULL AND valid_to IS NULL ORDER BY id LIMIT $4`

func (r *reader) Groups(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]grants.Group, error) {
	rows, err := r.tx.Query(ctx, selectGroups, home, org, after, limit)
	if err != nil {
		return nil, wrap(err, "list groups")
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (grants.Group, error) {
		g := grants.Group{Org: org}
		return g, row.Scan(&g.ID, &g.Version, &g.Name)
	})
	return all, wrap(err, "list groups")
}

const insertGroup = `INSERT INTO groups (region, id, version, org, name, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $6)`

func (w *writer) AddGroup(ctx context.Context, c grants.Commit, g grants.Group) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertGroup, home, g.ID, version, org, g.Name, at)
	return wrap(err, "add group")
}

// Two statements, and not one with the first as a part of the second: CockroachDB changes a table once per statement.
const (
	supersedeGroup = `UPDATE groups SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL AND version < $5`

	// What was known until now held until now.
	endGroup = `INSERT INTO groups (region, id, version, org, name, valid_from, valid_to, recorded_at)
	SELECT region, id, $5::BIGINT, org, name, valid_from, $4::TIMESTAMPTZ, $4::TIMESTAMPTZ FROM groups
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at = $4 AND version < $5`
)

func (w *writer) EndGroup(ctx context.Context, c grants.Commit, group region.ID) error {
	home, version, org, at := stamp(c)
	done, err := w.tx.Exec(ctx, supersedeGroup, home, group, org, at, version)
	if err == nil && done.RowsAffected() != 1 {
		err = errNotCurrent(done.RowsAffected())
	}
	if err == nil {
		_, err = w.tx.Exec(ctx, endGroup, home, group, org, at, version)
	}
	return wrap(err, "end %s", group)
}

func (w *writer) ReplaceGroup(ctx context.Context, c grants.Commit, g grants.Group) error {
	if err := w.EndGroup(ctx, c, g.ID); err != nil {
		return err
	}
	return w.AddGroup(ctx, c, g)
}
