-- +goose NO TRANSACTION
-- +goose Up

-- Every gateway that may hold a lock's connection. region is where it stands. One that is registered counts in
-- WaitApplied until its copy is too old: fresh_at is when it last said that its copy is what the broker has.
CREATE TABLE IF NOT EXISTS gateways (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	status TEXT NOT NULL CONSTRAINT gateways_status_check CHECK (status IN ('registered', 'deregistered')),
	registered_at TIMESTAMPTZ NOT NULL,
	fresh_at TIMESTAMPTZ NOT NULL,
	copy_max_age_ms BIGINT NOT NULL,
	PRIMARY KEY (region, id)
);

-- How far each gateway is: all commits of an organization in a service and home region up to version. It never goes back.
-- source_region is text: the home may be a region of another jurisdiction on an engine that holds several.
CREATE TABLE IF NOT EXISTS applied (
	region crdb_internal_region NOT NULL,
	gateway_id TEXT NOT NULL,
	org TEXT NOT NULL,
	service TEXT NOT NULL,
	source_region TEXT NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (region, gateway_id, org, service, source_region)
);

CREATE INDEX IF NOT EXISTS applied_by_org ON applied (region, org, service, source_region);

GRANT SELECT, INSERT, UPDATE ON TABLE gateways TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE applied TO {{app}};
