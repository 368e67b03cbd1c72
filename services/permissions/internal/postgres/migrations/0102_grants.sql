-- +goose NO TRANSACTION
-- +goose Up

-- Who may open what, when. region is the target's. revoked: somebody ended it, at valid_to at the latest; one that was
-- revoked before it began has valid_to = valid_from and never held.
CREATE TABLE IF NOT EXISTS grants (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	org TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	target_id TEXT NOT NULL,
	schedule_id TEXT NOT NULL,
	site_id TEXT NOT NULL,
	revoked BOOL NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	recorded_at TIMESTAMPTZ NOT NULL,
	superseded_at TIMESTAMPTZ,
	PRIMARY KEY (region, id, version)
);

CREATE INDEX IF NOT EXISTS grants_by_target ON grants (region, target_id, subject_id);

CREATE INDEX IF NOT EXISTS grants_by_subject ON grants (region, subject_id);

-- One thing is known about a grant at a time.
CREATE UNIQUE INDEX IF NOT EXISTS grants_current ON grants (region, id) WHERE superseded_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON TABLE grants TO {{app}};
