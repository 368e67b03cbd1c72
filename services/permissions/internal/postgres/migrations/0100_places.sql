-- +goose NO TRANSACTION
-- +goose Up

-- Every table of facts is bitemporal: a row says that something held from valid_from to valid_to (NULL: no end yet), and
-- that this was known from recorded_at to superseded_at (NULL: still). superseded_at is set once and is the only update.
-- version is the organization's commit that recorded the row.

-- Buildings.
CREATE TABLE IF NOT EXISTS sites (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	name TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version)
);

CREATE TABLE IF NOT EXISTS doors (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	site_id TEXT NOT NULL,
	name TEXT NOT NULL,
	unlock_ms BIGINT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version)
);

-- Sets of doors; site_id is that of the first, under which the zone's grants are published.
CREATE TABLE IF NOT EXISTS zones (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	site_id TEXT NOT NULL,
	name TEXT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version)
);

CREATE TABLE IF NOT EXISTS zone_doors (
	region crdb_internal_region NOT NULL,
	zone_id TEXT NOT NULL,
	door_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, zone_id, door_id, version)
);

CREATE INDEX IF NOT EXISTS zone_doors_by_door ON zone_doors (region, door_id);

CREATE TABLE IF NOT EXISTS schedules (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	site_id TEXT NOT NULL,
	name TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	spec JSONB NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version)
);

-- Later migrations allow what ends or changes them.
GRANT SELECT, INSERT ON TABLE sites TO {{app}};
GRANT SELECT, INSERT ON TABLE doors TO {{app}};
GRANT SELECT, INSERT ON TABLE zones TO {{app}};
GRANT SELECT, INSERT ON TABLE zone_doors TO {{app}};
GRANT SELECT, INSERT ON TABLE schedules TO {{app}};
