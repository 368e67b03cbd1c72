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

const insertGrants = `INSERT INTO grants (region, id, version, org, subject_id, target_id, schedule_id, site_id, revoked,
		valid_from, valid_to, recorded_at)
	SELECT $1::crdb_internal_region, g.id, $2::BIGINT, $3::TEXT, g.subject_id, g.target_id, g.schedule_id, g.site_id, g.revoked,
		g.valid_from, g.valid_to, $4::TIMESTAMPTZ
	FROM unnest($5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::TEXT[], $10::BOOL[], $11::TIMESTAMPTZ[], $12::TIMESTAMPTZ[])
		AS g (id, subject_id, target_id, schedule_id, site_id, revoked, valid_from, valid_to)`

var addGrants = &bulk{table: "grants", sql: insertGrants, fixed: 4, key: 1, rank: inserts}

func (w *writer) AddGrant(ctx context.Context, c grants.Commit, g grants.Grant) error {
	home, version, org, at := stamp(c)
	w.forget(g.ID)
	return w.later(ctx, addGrants, home, version, org, at,
		g.ID, g.Subject, g.Target, g.Schedule, g.Site, g.Revoked, g.Validity.From, null(g.Validity.To))
}

const supersedeGrant = `UPDATE grants SET superseded_at = $4
	WHERE region = $1 AND version < $2 AND org = $3 AND id = $5 AND superseded_at IS NULL`

var endGrants = &bulk{table: "superseded grants", sql: supersedeGrant, fixed: 4, key: 1, rank: updates, each: true}

func (w *writer) EndGrant(ctx context.Context, c grants.Commit, g grants.Grant, v grants.Validity) error {
	home, version, org, at := stamp(c)
	if err := w.later(ctx, endGrants, home, version, org, at, g.ID); err != nil {
		return err
	}
	g.Validity, g.Revoked = v, true
	return w.AddGrant(ctx, c, g)
}

const insertMemberships = `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, recorded_at)
	SELECT $1::crdb_internal_region, m.group_id, m.member_id, $2::BIGINT, $3::TEXT, $4::TIMESTAMPTZ, $4::TIMESTAMPTZ
	FROM unnest($5::TEXT[], $6::TEXT[]) AS m (group_id, member_id)`

var addMemberships = &bulk{table: "memberships", sql: insertMemberships, fixed: 4, key: 2, rank: inserts}

func (w *writer) AddMembership(ctx context.Context, c grants.Commit, m grants.Membership) error {
	home, version, org, at := stamp(c)
	if err := w.later(ctx, addMemberships, home, version, org, at, m.Group, m.Member); err != nil {
		return err
	}
	w.joined(home, m)
	return nil
}

// What is known now keeps when it began. The new row comes first: the engines refuse two changes of one table in a statement.
const recordEndedMembership = `INSERT INTO memberships (region, group_id, member_id, version, org, valid_from, valid_to, recorded_at)
	SELECT region, group_id, member_id, $2::BIGINT, org, valid_from, $4::TIMESTAMPTZ, $4::TIMESTAMPTZ FROM memberships
	WHERE region = $1 AND group_id = $5 AND member_id = $6 AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL`

const supersedeMembership = `UPDATE memberships SET superseded_at = $4
	WHERE region = $1 AND version < $2 AND org = $3 AND group_id = $5 AND member_id = $6 AND superseded_at IS NULL AND valid_to IS NULL`

var (
	endMemberships = &bulk{table: "memberships", sql: recordEndedMembership, fixed: 4, key: 2, rank: updates, each: true}
	oldMemberships = &bulk{table: "superseded memberships", sql: supersedeMembership, fixed: 4, key: 2, rank: updates + 1, each: true}
)

func (w *writer) EndMembership(ctx context.Context, c grants.Commit, m grants.Membership) error {
	home, version, org, at := stamp(c)
	if err := w.later(ctx, endMemberships, home, version, org, at, m.Group, m.Member); err != nil {
		return err
	}
	if err := w.later(ctx, oldMemberships, home, version, org, at, m.Group, m.Member); err != nil {
		return err
	}
	w.left(home, m)
	return nil
}
