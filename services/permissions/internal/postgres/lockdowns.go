package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const (
	selectLockdown = `SELECT l.id, l.version, l.target_id, l.site_id, l.rank, l.note, l.ended, l.valid_from, l.valid_to FROM lockdowns l
	WHERE l.region = $1 AND l.superseded_at IS NULL`

	selectLockdowns = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (` + selectLockdown + ` AND l.id = w.id AND l.org = $3 OFFSET 0) t`

	lockdownsOf = selectLockdown + ` AND l.target_id = $2 AND l.org = $3 AND NOT l.ended ORDER BY l.id`

	listLockdowns = selectLockdown + ` AND l.org = $2 AND l.id > $3 AND NOT l.ended AND (l.valid_to IS NULL OR l.valid_to > $4)
	ORDER BY l.id LIMIT $5`
)

var lockdowns = lookup[grants.Lockdown]{selectLockdowns, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Lockdown, error) {
	l := grants.Lockdown{Org: org}
	var to *time.Time
	err := row.Scan(&l.ID, &l.Version, &l.Target, &l.Site, &l.Rank, &l.Note, &l.Ended, &l.Validity.From, &to)
	l.Validity = grants.Validity{From: l.Validity.From.UTC(), To: ends(to)}
	return l.ID, l, err
}}

func (r *reader) Lockdown(ctx context.Context, org, id region.ID) (grants.Lockdown, error) {
	return one(ctx, r, lockdowns, org, id)
}

func (r *reader) ListLockdowns(ctx context.Context, home region.Name, org region.ID, at time.Time, after string, limit int) ([]grants.Lockdown, error) {
	return list(ctx, r, lockdowns, org, listLockdowns, home, org, after, at, limit)
}

func (w *writer) LockdownsOf(ctx context.Context, org, target region.ID) ([]grants.Lockdown, error) {
	home, err := w.home(target)
	if err != nil {
		return nil, err
	}
	return list(ctx, w.reader, lockdowns, org, lockdownsOf, home, target, org)
}

const insertLockdown = `INSERT INTO lockdowns (region, id, version, org, target_id, site_id, rank, note, ended, valid_from, valid_to, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

func (w *writer) AddLockdown(ctx context.Context, c grants.Commit, l grants.Lockdown) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertLockdown, home, l.ID, version, org, l.Target, l.Site, l.Rank, l.Note, l.Ended,
		l.Validity.From, null(l.Validity.To), at)
	return wrap(err, "add lockdown")
}

const supersedeLockdown = `UPDATE lockdowns SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL`

func (w *writer) EndLockdown(ctx context.Context, c grants.Commit, l grants.Lockdown, v grants.Validity) error {
	home, _, org, at := stamp(c)
	done, err := w.tx.Exec(ctx, supersedeLockdown, home, l.ID, org, at)
	if err == nil && done.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows are current", done.RowsAffected())
	}
	if err != nil {
		return fmt.Errorf("end lockdown %s: %w", l.ID, err)
	}
	l.Validity, l.Ended = v, true
	return w.AddLockdown(ctx, c, l)
}
