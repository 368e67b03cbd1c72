-- +goose NO TRANSACTION
-- The ledger: one hash chain for each (region, org). The format of its hashes is in internal/ledger.
--
-- Bodies are apart from entries, so that retention and erasure can remove them while the chain still verifies. Nothing here
-- points from one table to the other: a foreign key would cost a look-up for every event, and the hashes say the same.
--
-- The service inserts and reads, and advances heads. It may not change or delete an entry or a body: a later retention
-- role will be the only one that removes bodies.

-- +goose Up
CREATE TABLE IF NOT EXISTS ledger_heads (
  region crdb_internal_region NOT NULL,
  org    TEXT NOT NULL,
  size   BIGINT NOT NULL CHECK (size >= 0),
  hash   BYTEA NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (region, org)
);

CREATE TABLE IF NOT EXISTS ledger_entries (
  region        crdb_internal_region NOT NULL,
  org           TEXT NOT NULL,
  position      BIGINT NOT NULL CHECK (position >= 0),
  event_id      TEXT NOT NULL,
  body_sha256   BYTEA NOT NULL CHECK (length(body_sha256) = 32),
  previous_hash BYTEA NOT NULL CHECK (length(previous_hash) = 32),
  hash          BYTEA NOT NULL CHECK (length(hash) = 32),
  appended_at   TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (region, org, position),
  UNIQUE (region, org, event_id)
);

-- door, person, kind and occurred_at are what queries look for; empty where the event has none. Opaque ids only.
CREATE TABLE IF NOT EXISTS ledger_bodies (
  region      crdb_internal_region NOT NULL,
  org         TEXT NOT NULL,
  position    BIGINT NOT NULL,
  body        BYTEA NOT NULL,
  service     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  door        TEXT NOT NULL,
  person      TEXT NOT NULL,
  occurred_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (region, org, position)
);

CREATE INDEX IF NOT EXISTS ledger_bodies_door ON ledger_bodies (region, org, door, position) WHERE door <> '';

CREATE INDEX IF NOT EXISTS ledger_bodies_person ON ledger_bodies (region, org, person, position) WHERE person <> '';

CREATE INDEX IF NOT EXISTS ledger_bodies_kind ON ledger_bodies (region, org, kind, position);

CREATE INDEX IF NOT EXISTS ledger_bodies_time ON ledger_bodies (region, org, occurred_at);

-- What came on the stream and cannot go into a ledger, as it came, so that nothing is lost; digest is the SHA-256 of subject and data.
CREATE TABLE IF NOT EXISTS parked_events (
  region    crdb_internal_region NOT NULL,
  digest    BYTEA NOT NULL,
  subject   TEXT NOT NULL,
  data      BYTEA NOT NULL,
  error     TEXT NOT NULL,
  parked_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (region, digest)
);

GRANT SELECT, INSERT, UPDATE ON ledger_heads TO {{app}};

GRANT SELECT, INSERT ON ledger_entries TO {{app}};

GRANT SELECT, INSERT ON ledger_bodies TO {{app}};

GRANT SELECT, INSERT ON parked_events TO {{app}};
