-- +goose NO TRANSACTION
-- +goose Up

-- The latest of each access-state fact that was sent to the home's own bucket, ends of facts included: together with what still
-- waits in the outbox, all that a bucket must have. Heads are not here; org_heads has them.
CREATE TABLE IF NOT EXISTS access_facts (
	region crdb_internal_region NOT NULL,
	org TEXT NOT NULL,
	name TEXT NOT NULL,
	version BIGINT NOT NULL,
	removed BOOL NOT NULL,
	body BYTEA,
	PRIMARY KEY (region, org, name)
);

-- Which life of target's bucket is known to have all facts of the home.
CREATE TABLE IF NOT EXISTS filled_buckets (
	region crdb_internal_region NOT NULL,
	target TEXT NOT NULL,
	incarnation TEXT NOT NULL,
	filled_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (region, target)
);

GRANT SELECT, INSERT, UPDATE ON TABLE access_facts TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE filled_buckets TO {{app}};
