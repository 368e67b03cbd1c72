package postgres

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
)

const insertGroup = `INSERT INTO groups (region, id, version, org, name, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $6)`

func (w *writer) AddGroup(ctx context.Context, c grants.Commit, g grants.Group) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertGroup, home, g.ID, version, org, g.Name, at)
	return wrap(err, "add group")
}

const insertGrant = `INSERT INTO grants (region, id, version, org, subject_id, target_id, schedule_id, site_id, revoked,
		valid_from, valid_to, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

func (w *writer) AddGrant(ctx context.Context, c grants.Commit, g grants.Grant) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertGrant, home, g.ID, version, org, g.Subject, g.Target, g.Schedule, g.Site, g.Revoked,
		g.Validity.From, open(g.Validity.To), at)
	return wrap(err, "add grant")
}

const supersedeGrant = `UPDATE grants SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL`

func (w *writer) EndGrant(ctx context.Context, c grants.Commit, g grants.Grant, v grants.Validity) error {
	home, _, org, at := stamp(c)
	done, err := w.tx.Exec(ctx, supersedeGrant, home, g.ID, org, at)
	if err == nil && done.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows are current", done.RowsAffected())
	}
	if err != nil {
		return fmt.Errorf("end grant %s: %w", g.ID, err)
	}
	g.Validity, g.Revoked = v, true
	return w.AddGrant(ctx, c, g)
}

const insertMembership = `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $6)`

func (w *writer) AddMembership(ctx context.Context, c grants.Commit, m grants.Membership) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertMembership, home, m.Group, m.Member, version, org, at)
	return wrap(err, "add %s to %s", m.Member, m.Group)
}

// One statement: what was known is superseded, and what is known now keeps when it began.
const endMembership = `WITH known AS (
		UPDATE memberships SET superseded_at = $6
		WHERE region = $1 AND group_id = $2 AND member_id = $3 AND org = $5 AND superseded_at IS NULL AND valid_to IS NULL
		RETURNING valid_from
	)
	INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, valid_to, recorded_at)
	SELECT $1::crdb_internal_region, $2::TEXT, $3::TEXT, $4::BIGINT, $5::TEXT, valid_from, $6::TIMESTAMPTZ, $6::TIMESTAMPTZ FROM known`

func (w *writer) EndMembership(ctx context.Context, c grants.Commit, m grants.Membership) error {
	home, version, org, at := stamp(c)
	done, err := w.tx.Exec(ctx, endMembership, home, m.Group, m.Member, version, org, at)
	if err == nil && done.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows are current", done.RowsAffected())
	}
	return wrap(err, "take %s out of %s", m.Member, m.Group)
}
