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
	selectDoor = `SELECT d.id, d.version, d.site_id, d.name, d.unlock_ms, d.rules, d.valid_from, s.time_zone,
		ARRAY(SELECT z.zone_id FROM zone_doors z
			WHERE z.region = d.region AND z.door_id = d.id AND z.superseded_at IS NULL AND z.valid_to IS NULL ORDER BY z.zone_id) AS zones
	FROM doors d
	JOIN sites s ON s.region = d.region AND s.id = d.site_id AND s.superseded_at IS NULL AND s.valid_to IS NULL
	WHERE d.region = $1 AND d.superseded_at IS NULL AND d.valid_to IS NULL`

	selectDoors = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (` + selectDoor + ` AND d.id = w.id AND d.org = $3 OFFSET 0) t`

	listDoors = selectDoor + ` AND d.org = $2 AND d.site_id = $3 AND d.id > $4 ORDER BY d.id LIMIT $5`
)

var doors = lookup[grants.Door]{selectDoors, func(org region.ID, row pgx.CollectableRow) (region.ID, grants.Door, error) {
	d := grants.Door{Org: org}
	var unlock int64
	var rules []byte
	err := row.Scan(&d.ID, &d.Version, &d.Site, &d.Name, &unlock, &rules, &d.Since, &d.TimeZone, &d.Zones)
	if err != nil {
		return d.ID, d, err
	}
	d.UnlockFor, d.Since = time.Duration(unlock)*time.Millisecond, d.Since.UTC()
	d.Rules, err = decodeRules(rules)
	return d.ID, d, err
}}

func (r *reader) Door(ctx context.Context, org, id region.ID) (grants.Door, error) {
	return one(ctx, r, doors, org, id)
}

func (r *reader) Doors(ctx context.Context, home region.Name, org region.ID, ids []region.ID) ([]grants.Door, error) {
	return several(ctx, r, doors, home, org, ids)
}

func (r *reader) ListDoors(ctx context.Context, org, site region.ID, after string, limit int) ([]grants.Door, error) {
	home, err := r.home(site)
	if err != nil {
		return nil, err
	}
	return list(ctx, r, doors, org, listDoors, home, org, site, after, limit)
}

const insertDoor = `INSERT INTO doors (region, id, version, org, site_id, name, unlock_ms, rules, valid_from, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

var doorLine = timeline{
	keep: `INSERT INTO doors (region, id, version, org, site_id, name, unlock_ms, rules, valid_from, valid_to, recorded_at)
	SELECT region, id, $3::BIGINT, org, site_id, name, unlock_ms, rules, valid_from, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ FROM doors
	WHERE region = $1 AND id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6) AND valid_from < $6`,
	supersede: `UPDATE doors SET superseded_at = $4
	WHERE region = $1 AND id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5)`,
}

func (w *writer) AddDoor(ctx context.Context, c grants.Commit, d grants.Door) error {
	var batch pgx.Batch
	if err := queueDoor(&batch, c, d, c.At()); err != nil {
		return err
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "add door")
}

func (w *writer) SetDoor(ctx context.Context, c grants.Commit, d grants.Door, from time.Time) error {
	var batch pgx.Batch
	doorLine.queue(&batch, c, d.ID, from)
	if err := queueDoor(&batch, c, d, from); err != nil {
		return err
	}
	return wrap(w.tx.SendBatch(ctx, &batch).Close(), "change %s", d.ID)
}

func queueDoor(batch *pgx.Batch, c grants.Commit, d grants.Door, from time.Time) error {
	home, version, org, at := stamp(c)
	rules, err := encodeRules(d.Rules)
	if err != nil {
		return fmt.Errorf("write the rules of %s: %w", d.ID, err)
	}
	batch.Queue(insertDoor, home, d.ID, version, org, d.Site, d.Name, d.UnlockFor.Milliseconds(), rules, from, at)
	return nil
}
