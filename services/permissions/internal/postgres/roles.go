package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

const roleColumns = `id, org, version, subject_id, role, site_id, revoked, valid_from, valid_to`

func (r *reader) roleRows(ctx context.Context, query string, args ...any) ([]grants.RoleAssignment, error) {
	rows, err := r.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, wrap(err, "read roles")
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (grants.RoleAssignment, error) {
		var a grants.RoleAssignment
		var role int32
		var to *time.Time
		err := row.Scan(&a.ID, &a.Org, &a.Version, &a.Subject, &role, &a.Site, &a.Revoked, &a.Validity.From, &to)
		a.Role, a.Validity = policy.Role(role), grants.Validity{From: a.Validity.From.UTC(), To: ends(to)}
		return a, err
	})
	return all, wrap(err, "read roles")
}

const selectRole = `SELECT ` + roleColumns + ` FROM roles WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL`

func (r *reader) Role(ctx context.Context, org, id region.ID) (grants.RoleAssignment, error) {
	home, err := r.home(id)
	if err != nil {
		return grants.RoleAssignment{}, err
	}
	found, err := r.roleRows(ctx, selectRole, home, id, org)
	if err == nil && len(found) == 0 {
		return grants.RoleAssignment{}, grants.NotFound(id)
	}
	if err != nil {
		return grants.RoleAssignment{}, err
	}
	return found[0], nil
}

const selectRoles = `SELECT ` + roleColumns + ` FROM roles
	WHERE region = $1 AND org = $2 AND id > $3 AND superseded_at IS NULL AND NOT revoked ORDER BY id LIMIT $4`

func (r *reader) Roles(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]grants.RoleAssignment, error) {
	return r.roleRows(ctx, selectRoles, home, org, after, limit)
}

const selectRolesOf = `SELECT ` + roleColumns + ` FROM roles
	WHERE region = $1 AND subject_id = ANY ($2) AND org = $3 AND superseded_at IS NULL AND NOT revoked ORDER BY id`

func (r *reader) RolesOf(ctx context.Context, home region.Name, org region.ID, subjects []region.ID) ([]grants.RoleAssignment, error) {
	return r.roleRows(ctx, selectRolesOf, home, texts(subjects), org)
}

const insertRole = `INSERT INTO roles (region, id, version, org, subject_id, role, site_id, revoked, valid_from, valid_to, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, false, $8, $9, $10)`

func (w *writer) AddRole(ctx context.Context, c grants.Commit, a grants.RoleAssignment) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertRole, home, a.ID, version, org, a.Subject, int32(a.Role), a.Site, a.Validity.From, null(a.Validity.To), at)
	return wrap(err, "add role")
}

const (
	supersedeRoles = `UPDATE roles SET superseded_at = $4
	WHERE region = $1 AND id = ANY ($2) AND org = $3 AND superseded_at IS NULL AND NOT revoked AND version < $5`

	// As Validity.EndedAt says.
	revokeRoles = `INSERT INTO roles (region, id, version, org, subject_id, role, site_id, revoked, valid_from, valid_to, recorded_at)
	SELECT region, id, $5::BIGINT, org, subject_id, role, site_id, true,
		valid_from, CASE WHEN valid_to <= $4 THEN valid_to ELSE greatest(valid_from, $4::TIMESTAMPTZ) END, $4::TIMESTAMPTZ
	FROM roles WHERE region = $1 AND id = ANY ($2) AND org = $3 AND superseded_at = $4 AND version < $5`
)

func (w *writer) EndRoles(ctx context.Context, c grants.Commit, ids []region.ID) error {
	home, version, org, at := stamp(c)
	done, err := w.tx.Exec(ctx, supersedeRoles, home, texts(ids), org, at, version)
	if err == nil && done.RowsAffected() != int64(len(ids)) {
		err = errNotCurrent(done.RowsAffected())
	}
	if err == nil {
		_, err = w.tx.Exec(ctx, revokeRoles, home, texts(ids), org, at, version)
	}
	return wrap(err, "end roles")
}

const selectRolesNaming = `SELECT region::TEXT, id FROM roles
	WHERE region = ANY ($1::TEXT[]::crdb_internal_region[]) AND subject_id = $2 AND org = $3
		AND superseded_at IS NULL AND NOT revoked ORDER BY id`

func (w *writer) RolesNaming(ctx context.Context, near region.Name, org, subject region.ID) (map[region.Name][]region.ID, error) {
	return w.byRegion(ctx, selectRolesNaming, near, org, subject)
}
