-- +goose NO TRANSACTION
-- +goose Up

-- One row for each create that was asked under a key. The answer is sealed and goes after a day; the rest stays, so that
-- a late repetition still finds what it made.
CREATE TABLE IF NOT EXISTS idempotency (
	region crdb_internal_region NOT NULL,
	org TEXT NOT NULL,
	caller TEXT NOT NULL,
	method TEXT NOT NULL,
	key TEXT NOT NULL,
	request_mac BYTEA NOT NULL,
	mac_key_id TEXT NOT NULL,
	resource_id TEXT NOT NULL,
	answer BYTEA,
	answer_key_id TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (region, org, caller, method, key)
);

CREATE INDEX IF NOT EXISTS idempotency_answers ON idempotency (region, created_at) WHERE answer IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON TABLE idempotency TO {{app}};
