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
	selectZone = `SELECT z.id, z.version, z.site_id, z.name, z.anti_passback, z.valid_from,
		ARRAY(SELECT d.door_id FROM zone_doors d
			WHERE d.region = z.region AND d.zone_id = z.id AND d.superseded_at IS NULL AND d.valid_to IS NULL ORDER BY d.door_id) AS doors,
		ARRAY(SELECT c.child_id FROM zone_zones c
			WHERE c.region = z.region AND c.parent_id = z.id AND c.superseded_at IS NULL AND c.valid_to IS NULL ORDER BY c.child_id) AS zones,
		ARRAY(SELECT p.parent_id FROM zone_zones p
			WHERE p.region = z.region AND p.child_id = z.id AND p.superseded_at IS NULL AND p.valid_to IS NULL ORDER BY p.parent_id) AS parents
	FROM zones z WHERE z.region = $1 AND z.superseded_at IS NULL AND z.valid_to IS NULL`

	selectZones = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (` + selectZone + ` AND z.id = w.id AND z.org = $3 OFFSET 0) t`

	listZones = selectZone + ` AND z.org = $2 AND z.id > $3 ORDER BY z.id LIMIT $4`
)

var zones = lookup[grants.Zone]{selectZones, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Zone, error) {
	z := grants.Zone{Org: org}
	var border []byte
	err := row.Scan(&z.ID, &z.Version, &z.Site, &z.Name, &border, &z.Since, &z.Doors, &z.Zones, &z.Parents)
	if err != nil {
		return z.ID, z, err
	}
	z.Since = z.Since.UTC()
	z.AntiPassback, err = decodeBorder(border)
	return z.ID, z, err
}}

func (r *reader) Zone(ctx context.Context, org, id region.ID) (grants.Zone, error) {
	return one(ctx, r, zones, org, id)
}

func (r *reader) Zones(ctx context.Context, home region.Name, org region.ID, ids []region.ID) ([]grants.Zone, error) {
	return several(ctx, r, zones, home, org, ids)
}

func (r *reader) ListZones(ctx context.Context, home region.Name, org region.ID, after string, limit int) ([]grants.Zone, error) {
	return list(ctx, r, zones, org, listZones, home, org, after, limit)
}

const insertZone = `INSERT INTO zones (region, id, version, org, site_id, name, anti_passback, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

var zoneLine = timeline{
	keep: `INSERT INTO zones (region, id, version, org, site_id, name, anti_passback, valid_from, valid_to, recorded_at)
	SELECT region, id, $3::BIGINT, org, site_id, name, anti_passback, valid_from, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ FROM zones
	WHERE region = $1 AND id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6) AND valid_from < $6`,
	supersede: `UPDATE zones SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5)`,
}

func (w *writer) AddZone(ctx context.Context, c grants.Commit, z grants.Zone) error {
	var batch pgx.Batch
	if err := queueZone(&batch, c, z, c.At()); err != nil {
		return err
	}
	queueContents(&batch, c, z, c.At())
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "add zone")
}

func (w *writer) SetZone(ctx context.Context, c grants.Commit, z grants.Zone, from time.Time) error {
	var batch pgx.Batch
	zoneLine.queue(&batch, c, z.ID, from)
	if err := queueZone(&batch, c, z, from); err != nil {
		return err
	}
	queueContents(&batch, c, z, from)
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "change %s", z.ID)
}

func queueZone(batch *pgx.Batch, c grants.Commit, z grants.Zone, from time.Time) error {
	home, version, org, at := stamp(c)
	border, err := encodeBorder(z.AntiPassback)
	if err != nil {
		return fmt.Errorf("write the border of %s: %w", z.ID, err)
	}
	batch.Queue(insertZone, home, z.ID, version, org, z.Site, z.Name, border, from, at)
	return nil
}
