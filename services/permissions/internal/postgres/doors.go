package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const selectDoors = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
		SELECT d.id, d.site_id, d.name, d.unlock_ms, s.time_zone FROM doors d
		JOIN sites s ON s.region = d.region AND s.id = d.site_id AND s.superseded_at IS NULL AND s.valid_to IS NULL
		WHERE d.region = $1 AND d.id = w.id AND d.org = $3 AND d.superseded_at IS NULL AND d.valid_to IS NULL OFFSET 0) t`

const selectZonesOfDoors = `SELECT t.* FROM unnest($2::TEXT[]) AS w (id), LATERAL (
		SELECT z.door_id, z.zone_id FROM zone_doors z
		WHERE z.region = $1 AND z.door_id = w.id AND z.org = $3 AND z.superseded_at IS NULL AND z.valid_to IS NULL OFFSET 0) t
	ORDER BY t.door_id, t.zone_id`

func (r *reader) Door(ctx context.Context, org, id region.ID) (grants.Door, error) {
	home, err := r.home(id)
	if err != nil {
		return grants.Door{}, err
	}
	doors, err := r.Doors(ctx, home, org, []region.ID{id})
	if err != nil {
		return grants.Door{}, err
	}
	return doors[0], nil
}

func (r *reader) Doors(ctx context.Context, home region.Name, org region.ID, ids []region.ID) ([]grants.Door, error) {
	found := make(map[region.ID]grants.Door, len(ids))
	var batch pgx.Batch
	r.queueDoors(&batch, home, org, ids, func(d grants.Door) { found[d.ID] = d })
	if err := r.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, wrap(err, "read doors")
	}
	doors := make([]grants.Door, len(ids))
	for i, id := range ids {
		d, is := found[id]
		if !is {
			return nil, grants.NotFound(id)
		}
		doors[i] = d
	}
	return doors, nil
}

// queueDoors adds the look-up of doors to batch; those that are found are given to take.
func (r *reader) queueDoors(batch *pgx.Batch, home region.Name, org region.ID, ids []region.ID, take func(grants.Door)) {
	zones := map[region.ID][]region.ID{}
	batch.Queue(selectZonesOfDoors, home, texts(ids), org).Query(func(rows pgx.Rows) error {
		return eachPair(rows, func(door, zone string) {
			zones[region.ID(door)] = append(zones[region.ID(door)], region.ID(zone))
		})
	})
	batch.Queue(selectDoors, home, texts(ids), org).Query(func(rows pgx.Rows) error {
		d := grants.Door{Org: org}
		var unlock int64
		_, err := pgx.ForEachRow(rows, []any{&d.ID, &d.Site, &d.Name, &unlock, &d.TimeZone}, func() error {
			d.UnlockFor, d.Zones = time.Duration(unlock)*time.Millisecond, zones[d.ID]
			take(d)
			return nil
		})
		return err
	})
}
