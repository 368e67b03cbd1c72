-- +goose NO TRANSACTION
-- +goose Up

-- Where an organization's calls went: the last commit that called, and the last one up to which the other side is known to
-- have everything in force. target is text: it may be a region of another jurisdiction, of which no row can be here.
CREATE TABLE IF NOT EXISTS call_targets (
	region crdb_internal_region NOT NULL,
	org TEXT NOT NULL,
	target TEXT NOT NULL,
	called_version BIGINT NOT NULL,
	confirmed_version BIGINT NOT NULL,
	PRIMARY KEY (region, org, target)
);

GRANT SELECT, INSERT, UPDATE ON TABLE call_targets TO {{app}};
