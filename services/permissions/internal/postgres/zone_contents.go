package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// What is directly in a zone changes as a whole. A membership that holds since before the moment of the change, is open and
// stays is right as it is, and left alone: these are all but few. $7 has those that the zone is to have; the others are
// ended as timeline says. One that began only after the moment never was: it ends where it begins. So each that changed has
// a row of the commit, which copies in memory find it by; supersede must not take that row for one that reaches beyond the moment.

const keepZoneDoors = `INSERT INTO zone_doors (region, zone_id, door_id, version, org, valid_from, valid_to, recorded_at)
	SELECT region, zone_id, door_id, $3::BIGINT, org, valid_from, greatest(valid_from, $6::TIMESTAMPTZ), $5::TIMESTAMPTZ FROM zone_doors
	WHERE region = $1 AND zone_id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6 AND valid_to > valid_from)
		AND (valid_from < $6 AND NOT (valid_to IS NULL AND door_id = ANY ($7::TEXT[])) OR valid_from >= $6 AND NOT door_id = ANY ($7::TEXT[]))`

const supersedeZoneDoors = `UPDATE zone_doors SET superseded_at = $4
	WHERE region = $1 AND zone_id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5 AND valid_to > valid_from)
		AND NOT (valid_to IS NULL AND valid_from <= $5 AND door_id = ANY ($6::TEXT[]))`

const insertZoneDoors = `INSERT INTO zone_doors (region, zone_id, door_id, version, org, valid_from, recorded_at)
	SELECT $1::crdb_internal_region, $2::TEXT, n.id, $3::BIGINT, $4::TEXT, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ
	FROM unnest($7::TEXT[]) AS n (id)
	WHERE NOT EXISTS (SELECT 1 FROM zone_doors d
		WHERE d.region = $1 AND d.zone_id = $2 AND d.door_id = n.id AND d.superseded_at IS NULL AND d.valid_to IS NULL)`

const keepZoneZones = `INSERT INTO zone_zones (region, parent_id, child_id, version, org, valid_from, valid_to, recorded_at)
	SELECT region, parent_id, child_id, $3::BIGINT, org, valid_from, greatest(valid_from, $6::TIMESTAMPTZ), $5::TIMESTAMPTZ FROM zone_zones
	WHERE region = $1 AND parent_id = $2 AND org = $4 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $6 AND valid_to > valid_from)
		AND (valid_from < $6 AND NOT (valid_to IS NULL AND child_id = ANY ($7::TEXT[])) OR valid_from >= $6 AND NOT child_id = ANY ($7::TEXT[]))`

const supersedeZoneZones = `UPDATE zone_zones SET superseded_at = $4
	WHERE region = $1 AND parent_id = $2 AND org = $3 AND superseded_at IS NULL AND (valid_to IS NULL OR valid_to > $5 AND valid_to > valid_from)
		AND NOT (valid_to IS NULL AND valid_from <= $5 AND child_id = ANY ($6::TEXT[]))`

const insertZoneZones = `INSERT INTO zone_zones (region, parent_id, child_id, version, org, valid_from, recorded_at)
	SELECT $1::crdb_internal_region, $2::TEXT, n.id, $3::BIGINT, $4::TEXT, $6::TIMESTAMPTZ, $5::TIMESTAMPTZ
	FROM unnest($7::TEXT[]) AS n (id)
	WHERE NOT EXISTS (SELECT 1 FROM zone_zones c
		WHERE c.region = $1 AND c.parent_id = $2 AND c.child_id = n.id AND c.superseded_at IS NULL AND c.valid_to IS NULL)`

// queueContents makes what is in a zone what z says, from a moment on.
func queueContents(batch *pgx.Batch, c grants.Commit, z grants.Zone, from time.Time) {
	home, version, org, at := stamp(c)
	doors, zones := texts(z.Doors), texts(z.Zones)
	batch.Queue(keepZoneDoors, home, z.ID, version, org, at, from, doors)
	batch.Queue(supersedeZoneDoors, home, z.ID, org, at, from, doors)
	batch.Queue(insertZoneDoors, home, z.ID, version, org, at, from, doors)
	batch.Queue(keepZoneZones, home, z.ID, version, org, at, from, zones)
	batch.Queue(supersedeZoneZones, home, z.ID, org, at, from, zones)
	batch.Queue(insertZoneZones, home, z.ID, version, org, at, from, zones)
}

const selectZonesInside = `SELECT DISTINCT child_id FROM zone_zones
	WHERE region = $1 AND parent_id = ANY ($2) AND org = $3 AND superseded_at IS NULL AND valid_to IS NULL`

func (w *writer) ZonesInside(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error) {
	found, err := w.ids(ctx, selectZonesInside, home, texts(of), org)
	return found, wrap(err, "read zones in zones")
}
