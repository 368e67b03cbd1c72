package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const grantColumns = `g.id, g.org, g.version, g.subject_id, g.target_id, g.schedule_id, g.site_id, g.revoked, g.valid_from, g.valid_to,
	coalesce(g.held_since, g.valid_from) AS held_since, g.max_uses, g.override_rank, g.share_depth, g.shared_from, g.sharer`

func scanGrant(row pgx.CollectableRow) (grants.Grant, error) {
	var g grants.Grant
	var to *time.Time
	err := row.Scan(&g.ID, &g.Org, &g.Version, &g.Subject, &g.Target, &g.Schedule, &g.Site, &g.Revoked, &g.Validity.From, &to,
		&g.Since, &g.MaxUses, &g.OverrideRank, &g.ShareDepth, &g.SharedFrom, &g.Sharer)
	g.Validity, g.Since = grants.Validity{From: g.Validity.From.UTC(), To: ends(to)}, g.Since.UTC()
	return g, err
}

func (r *reader) grantRows(ctx context.Context, query string, args ...any) ([]grants.Grant, error) {
	rows, err := r.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanGrant)
}

// What is known of a grant is one row for each time that it held; the last is what it is.
const selectGrant = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
	SELECT ` + grantColumns + ` FROM grants g
	WHERE g.region = $1 AND g.id = w.id AND g.org = $3 AND g.superseded_at IS NULL ORDER BY g.valid_from DESC LIMIT 1) t`

var allGrants = lookup[grants.Grant]{selectGrant, func(_ region.ID, row pgx.CollectableRow) (region.ID, grants.Grant, error) {
	g, err := scanGrant(row)
	return g.ID, g, err
}}

func (r *reader) Grant(ctx context.Context, org, id region.ID) (grants.Grant, error) {
	return one(ctx, r, allGrants, org, id)
}

// One statement for each question, so that each has an index of its own.
const (
	selectGrants = `SELECT ` + grantColumns + ` FROM grants g
	WHERE region = $1 AND org = $2 AND id > $3 AND superseded_at IS NULL AND NOT revoked ORDER BY id LIMIT $4`

	selectGrantsOfTarget = `SELECT ` + grantColumns + ` FROM grants g
	WHERE region = $1 AND org = $2 AND id > $3 AND target_id = $5 AND superseded_at IS NULL AND NOT revoked ORDER BY id LIMIT $4`

	selectGrantsToSubject = `SELECT ` + grantColumns + ` FROM grants g
	WHERE region = $1 AND org = $2 AND id > $3 AND subject_id = $5 AND superseded_at IS NULL AND NOT revoked ORDER BY id LIMIT $4`

	selectGrantsBetween = `SELECT ` + grantColumns + ` FROM grants g
	WHERE region = $1 AND org = $2 AND id > $3 AND target_id = $5 AND subject_id = $6 AND superseded_at IS NULL AND NOT revoked
	ORDER BY id LIMIT $4`
)

func (r *reader) Grants(ctx context.Context, q grants.GrantsQuery) ([]grants.Grant, error) {
	query, args := selectGrants, []any{q.Home, q.Org, q.After, q.Limit}
	switch {
	case q.Target != "" && q.Subject != "":
		query, args = selectGrantsBetween, append(args, q.Target, q.Subject)
	case q.Target != "":
		query, args = selectGrantsOfTarget, append(args, q.Target)
	case q.Subject != "":
		query, args = selectGrantsToSubject, append(args, q.Subject)
	}
	found, err := r.grantRows(ctx, query, args...)
	return found, wrap(err, "list grants")
}

const insertGrant = `INSERT INTO grants (region, id, version, org, subject_id, target_id, schedule_id, site_id, revoked,
		valid_from, valid_to, recorded_at, held_since, max_uses, override_rank, share_depth, shared_from, sharer)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`

func (w *writer) AddGrant(ctx context.Context, c grants.Commit, g grants.Grant) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertGrant, home, g.ID, version, org, g.Subject, g.Target, g.Schedule, g.Site, g.Revoked,
		g.Validity.From, null(g.Validity.To), at, null(g.Since), g.MaxUses, g.OverrideRank, g.ShareDepth, g.SharedFrom, g.Sharer)
	return wrap(err, "add grant")
}

const supersedeGrant = `UPDATE grants SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND NOT revoked AND version < $5`

func (w *writer) ReplaceGrant(ctx context.Context, c grants.Commit, was, now grants.Grant) error {
	home, version, org, at := stamp(c)
	done, err := w.tx.Exec(ctx, supersedeGrant, home, was.ID, org, at, version)
	if err == nil && done.RowsAffected() != 1 {
		err = errNotCurrent(done.RowsAffected())
	}
	if err == nil && was.Validity.From.Before(at) {
		was.Validity, was.Revoked = was.Validity.EndedAt(at), true
		err = w.AddGrant(ctx, c, was)
	}
	if err == nil {
		err = w.AddGrant(ctx, c, now)
	}
	return wrap(err, "replace %s", was.ID)
}

// errNotCurrent is for a change of something that this very commit has written already, or that is not what was read.
func errNotCurrent(rows int64) error { return fmt.Errorf("%d rows are current", rows) }
