-- +goose NO TRANSACTION
-- +goose Up

-- What there is now, in the order of lists; and what a thing is from now on is known once.
CREATE UNIQUE INDEX IF NOT EXISTS sites_now ON sites (region, org, id) WHERE superseded_at IS NULL AND valid_to IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS doors_now ON doors (region, site_id, id) WHERE superseded_at IS NULL AND valid_to IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS zones_now ON zones (region, org, id) WHERE superseded_at IS NULL AND valid_to IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS zone_doors_now ON zone_doors (region, zone_id, door_id) WHERE superseded_at IS NULL AND valid_to IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS zone_zones_now ON zone_zones (region, parent_id, child_id) WHERE superseded_at IS NULL AND valid_to IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS holiday_calendars_now ON holiday_calendars (region, org, id)
	WHERE superseded_at IS NULL AND valid_to IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS lockdowns_now ON lockdowns (region, org, id) WHERE superseded_at IS NULL AND NOT ended;

-- Not unique: schedules that move to another time zone are known twice for the length of a statement.
CREATE INDEX IF NOT EXISTS schedules_now ON schedules (region, site_id, id) WHERE superseded_at IS NULL AND valid_to IS NULL;
