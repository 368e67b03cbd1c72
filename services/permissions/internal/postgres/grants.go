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

const insertGrants = `INSERT INTO grants (region, id, version, org, subject_id, target_id, schedule_id, site_id, revoked,
		valid_from, valid_to, recorded_at, held_since, max_uses, override_rank, share_depth, shared_from, sharer)
	SELECT $1::crdb_internal_region, g.id, $2::BIGINT, $3::TEXT, g.subject_id, g.target_id, g.schedule_id, g.site_id, g.revoked,
		g.valid_from, g.valid_to, $4::TIMESTAMPTZ, g.held_since, g.max_uses, g.override_rank, g.share_depth, g.shared_from, g.sharer
	FROM unnest($5::TEXT[], $6::TIMESTAMPTZ[], $7::TEXT[], $8::TEXT[], $9::TEXT[], $10::TEXT[], $11::BOOL[], $12::TIMESTAMPTZ[],
			$13::TIMESTAMPTZ[], $14::BIGINT[], $15::BIGINT[], $16::BIGINT[], $17::TEXT[], $18::TEXT[])
		AS g (id, valid_from, subject_id, target_id, schedule_id, site_id, revoked, valid_to,
			held_since, max_uses, override_rank, share_depth, shared_from, sharer)`

var addGrants = &bulk{table: "grants", sql: insertGrants, fixed: 4, key: 2, rank: inserts}

func (w *writer) AddGrant(ctx context.Context, c grants.Commit, g grants.Grant) error {
	home, version, org, at := stamp(c)
	w.forget(g.ID)
	return w.later(ctx, addGrants, home, version, org, at,
		g.ID, g.Validity.From, g.Subject, g.Target, g.Schedule, g.Site, g.Revoked, null(g.Validity.To),
		null(g.Since), int64(g.MaxUses), int64(g.OverrideRank), int64(g.ShareDepth), g.SharedFrom, g.Sharer)
}

const supersedeGrant = `UPDATE grants SET superseded_at = $4
	WHERE region = $1 AND version < $2 AND org = $3 AND id = $5 AND superseded_at IS NULL AND NOT revoked`

var endedGrants = &bulk{table: "superseded grants", sql: supersedeGrant, fixed: 4, key: 1, rank: updates, each: true}

// ReplaceGrant implements grants.KeyTx.
func (w *writer) ReplaceGrant(ctx context.Context, c grants.Commit, was, now grants.Grant) error {
	if err := w.endGrant(ctx, c, was); err != nil {
		return err
	}
	return w.AddGrant(ctx, c, now)
}

// endGrant ends what a grant is at the commit's moment; what had not begun then leaves nothing.
func (w *writer) endGrant(ctx context.Context, c grants.Commit, was grants.Grant) error {
	home, version, org, at := stamp(c)
	if err := w.later(ctx, endedGrants, home, version, org, at, was.ID); err != nil {
		return err
	}
	if !was.Validity.From.Before(at) {
		w.forget(was.ID)
		return nil
	}
	return w.AddGrant(ctx, c, revoked(was, at))
}

// revoked is a grant that somebody has ended.
func revoked(g grants.Grant, at time.Time) grants.Grant {
	g.Validity, g.Revoked = g.Validity.EndedAt(at), true
	return g
}

// errNotCurrent is for a change of something that this very commit has written already, or that is not what was read.
func errNotCurrent(rows int64) error { return fmt.Errorf("%d rows are current", rows) }
