-- +goose NO TRANSACTION
-- +goose Up

-- What a door asks beyond a grant; NULL: nothing.
ALTER TABLE doors ADD COLUMN IF NOT EXISTS rules JSONB;

-- The rule at a zone's border; NULL: none.
ALTER TABLE zones ADD COLUMN IF NOT EXISTS anti_passback JSONB;

-- The holiday calendars that a schedule observes.
ALTER TABLE schedules ADD COLUMN IF NOT EXISTS calendars TEXT[] NOT NULL DEFAULT '{}';

-- How often a grant opens in all; 0: without limit.
ALTER TABLE grants ADD COLUMN IF NOT EXISTS max_uses BIGINT NOT NULL DEFAULT 0;

-- It opens in lockdowns of at most this rank.
ALTER TABLE grants ADD COLUMN IF NOT EXISTS override_rank BIGINT NOT NULL DEFAULT 0;

-- Through how many shares it may be passed on.
ALTER TABLE grants ADD COLUMN IF NOT EXISTS share_depth BIGINT NOT NULL DEFAULT 0;

-- Of which grant it is a share, and who shared; empty: not a share.
ALTER TABLE grants ADD COLUMN IF NOT EXISTS shared_from TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN IF NOT EXISTS sharer TEXT NOT NULL DEFAULT '';

-- A change leaves two rows that are known now, one before it and one from it on.
DROP INDEX IF EXISTS grants_current CASCADE;
CREATE UNIQUE INDEX IF NOT EXISTS grants_known ON grants (region, id, valid_from) WHERE superseded_at IS NULL;

CREATE INDEX IF NOT EXISTS grants_by_parent ON grants (region, shared_from);

-- Which zones are directly in which.
CREATE TABLE IF NOT EXISTS zone_zones (
	region crdb_internal_region NOT NULL,
	parent_id TEXT NOT NULL,
	child_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, parent_id, child_id, version, valid_from)
);

CREATE INDEX IF NOT EXISTS zone_zones_by_child ON zone_zones (region, child_id);

-- Lists of dates that schedules observe.
CREATE TABLE IF NOT EXISTS holiday_calendars (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	name TEXT NOT NULL,
	holidays JSONB NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version, valid_from)
);

-- What is kept closed. valid_to is when it ends by itself or was ended; site_id is the site under which it is published.
CREATE TABLE IF NOT EXISTS lockdowns (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	target_id TEXT NOT NULL,
	site_id TEXT NOT NULL,
	rank BIGINT NOT NULL,
	note TEXT NOT NULL,
	ended BOOL NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version, valid_from)
);

CREATE INDEX IF NOT EXISTS lockdowns_by_target ON lockdowns (region, target_id);

-- Who administers; site_id is empty for the whole organization.
CREATE TABLE IF NOT EXISTS roles (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	role BIGINT NOT NULL,
	site_id TEXT NOT NULL,
	revoked BOOL NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version, valid_from)
);

CREATE INDEX IF NOT EXISTS roles_by_subject ON roles (region, subject_id);

-- How far each import is. No past: what was made is in events.
CREATE TABLE IF NOT EXISTS imports (
	region crdb_internal_region NOT NULL,
	org TEXT NOT NULL,
	name TEXT NOT NULL,
	kind BIGINT NOT NULL,
	next_line BIGINT NOT NULL,
	accepted BIGINT NOT NULL,
	rejected BIGINT NOT NULL,
	last_first_line BIGINT NOT NULL,
	last_hash BYTEA NOT NULL,
	last_answer BYTEA NOT NULL,
	updated_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (region, org, name)
);

-- An update supersedes what was known.
GRANT SELECT, INSERT, UPDATE ON TABLE sites TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE doors TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE zones TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE zone_doors TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE zone_zones TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE schedules TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE holiday_calendars TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE groups TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE lockdowns TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE roles TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE imports TO {{app}};
