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
