-- +goose NO TRANSACTION
-- +goose Up

-- The organization's version in this service and region: every commit adds one, and waits here for the one before.
CREATE TABLE IF NOT EXISTS org_heads (
	region crdb_internal_region NOT NULL,
	org TEXT NOT NULL,
	version BIGINT NOT NULL,
	recorded_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (region, org)
);

-- The last version of each stream, so that the next one is found without reading events.
CREATE TABLE IF NOT EXISTS event_streams (
	region crdb_internal_region NOT NULL,
	stream TEXT NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (region, stream)
);

-- What happened, for ever: the service's role may add and read, nothing else.
CREATE TABLE IF NOT EXISTS events (
	region crdb_internal_region NOT NULL,
	stream TEXT NOT NULL,
	version BIGINT NOT NULL,
	id TEXT NOT NULL,
	schema_version INT NOT NULL,
	org TEXT NOT NULL,
	org_version BIGINT NOT NULL,
	kind TEXT NOT NULL,
	payload BYTEA NOT NULL,
	sealed BYTEA,
	key_id TEXT NOT NULL,
	actor TEXT NOT NULL,
	cause TEXT NOT NULL,
	traceparent TEXT NOT NULL,
	occurred_at TIMESTAMPTZ NOT NULL,
	recorded_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (region, stream, version),
	CONSTRAINT events_id_key UNIQUE (region, id)
);

-- What is still to be sent. target is text: it may be a region of another jurisdiction, of which no row can be here.
-- what: state (a fact for target's bucket), event (name is its id), call (name is the procedure).
CREATE TABLE IF NOT EXISTS outbox (
	region crdb_internal_region NOT NULL,
	target TEXT NOT NULL,
	org TEXT NOT NULL,
	org_version BIGINT NOT NULL,
	ordinal INT NOT NULL,
	what TEXT NOT NULL CONSTRAINT outbox_what_check CHECK (what IN ('state', 'event', 'call')),
	name TEXT NOT NULL,
	body BYTEA,
	fact_version BIGINT NOT NULL,
	removed BOOL NOT NULL,
	traceparent TEXT NOT NULL,
	PRIMARY KEY (region, target, org, org_version, ordinal)
);

-- Which relay works from region to target; a row that is not renewed may be taken.
CREATE TABLE IF NOT EXISTS relay_leases (
	region crdb_internal_region NOT NULL,
	target TEXT NOT NULL,
	holder TEXT NOT NULL,
	holder_region TEXT NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (region, target)
);

-- Which events of others have had their effect here.
CREATE TABLE IF NOT EXISTS consumed_events (
	region crdb_internal_region NOT NULL,
	consumer TEXT NOT NULL,
	event_id TEXT NOT NULL,
	consumed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (region, consumer, event_id)
);

GRANT SELECT, INSERT, UPDATE ON TABLE org_heads TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE event_streams TO {{app}};
GRANT SELECT, INSERT ON TABLE events TO {{app}};
GRANT SELECT, INSERT, DELETE ON TABLE outbox TO {{app}};
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE relay_leases TO {{app}};
GRANT SELECT, INSERT, DELETE ON TABLE consumed_events TO {{app}};
