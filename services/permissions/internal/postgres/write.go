package postgres

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/jackc/pgx/v5"
)

const insertSite = `INSERT INTO sites (region, id, version, org, name, time_zone, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`

func (w *writer) AddSite(ctx context.Context, c grants.Commit, s grants.Site) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertSite, home, s.ID, version, org, s.Name, s.TimeZone, at)
	return wrap(err, "add site")
}

const insertDoor = `INSERT INTO doors (region, id, version, org, site_id, name, unlock_ms, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)`

func (w *writer) AddDoor(ctx context.Context, c grants.Commit, d grants.Door) error {
	home, version, org, at := stamp(c)
	_, err := w.tx.Exec(ctx, insertDoor, home, d.ID, version, org, d.Site, d.Name, d.UnlockFor.Milliseconds(), at)
	return wrap(err, "add door")
}

const insertZone = `INSERT INTO zones (region, id, version, org, site_id, name, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`

const insertZoneDoor = `INSERT INTO zone_doors (region, zone_id, door_id, version, org, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $6)`

func (w *writer) AddZone(ctx context.Context, c grants.Commit, z grants.Zone) error {
	home, version, org, at := stamp(c)
	var batch pgx.Batch
	batch.Queue(insertZone, home, z.ID, version, org, z.Site, z.Name, at)
	for _, door := range z.Doors {
		batch.Queue(insertZoneDoor, home, z.ID, door, version, org, at)
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "add zone")
}

const insertSchedule = `INSERT INTO schedules (region, id, version, org, site_id, name, time_zone, spec, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`

func (w *writer) AddSchedule(ctx context.Context, c grants.Commit, s grants.Schedule) error {
	home, version, org, at := stamp(c)
	spec, err := encodeSpec(s.Spec)
	if err != nil {
		return fmt.Errorf("add schedule: %w", err)
	}
	_, err = w.tx.Exec(ctx, insertSchedule, home, s.ID, version, org, s.Site, s.Name, s.TimeZone, spec, at)
	return wrap(err, "add schedule")
}

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
