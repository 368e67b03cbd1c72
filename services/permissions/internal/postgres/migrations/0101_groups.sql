-- +goose NO TRANSACTION
-- +goose Up

CREATE TABLE IF NOT EXISTS groups (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	name TEXT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version)
);

-- Who is in which group. region is the group's home; or, where the group is of another jurisdiction, the region here
-- that received the copy, and then it holds from when it was received.
CREATE TABLE IF NOT EXISTS memberships (
	region crdb_internal_region NOT NULL,
	group_id TEXT NOT NULL,
	member_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, group_id, member_id, version)
);

CREATE INDEX IF NOT EXISTS memberships_by_member ON memberships (region, member_id);

-- Somebody is in a group once.
CREATE UNIQUE INDEX IF NOT EXISTS memberships_open ON memberships (region, group_id, member_id)
	WHERE valid_to IS NULL AND superseded_at IS NULL;

-- Copies of groups of other jurisdictions: the home's commit that was received last. No past: it only orders messages.
CREATE TABLE IF NOT EXISTS received_groups (
	region crdb_internal_region NOT NULL,
	org TEXT NOT NULL,
	group_id TEXT NOT NULL,
	source_version BIGINT NOT NULL,
	PRIMARY KEY (region, org, group_id)
);

-- Who follows what, and why (grants.Followers). No past: what was sent is in events.
CREATE TABLE IF NOT EXISTS follow_reasons (
	region crdb_internal_region NOT NULL,
	org TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	follower_region TEXT NOT NULL,
	reason TEXT NOT NULL,
	held BOOL NOT NULL,
	source_version BIGINT NOT NULL,
	PRIMARY KEY (region, org, subject_id, follower_region, reason)
);

GRANT SELECT, INSERT ON TABLE groups TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE memberships TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE received_groups TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE follow_reasons TO {{app}};
