-- +goose NO TRANSACTION
-- +goose Up

-- Regions of other jurisdictions that follow an organization (its digest keys) or a person (the digests of their cards).
-- follower_region is text: a region across the border is not a value of this database's region type. Several
-- sources may ask for one follower (two homes of groups in one jurisdiction); the last one to end it ends it. A row with
-- following false remembers the version that ended it, so that an older message cannot begin it again.
CREATE TABLE IF NOT EXISTS followers (
    region          crdb_internal_region NOT NULL,
    subject_id      TEXT                 NOT NULL,
    follower_region TEXT                 NOT NULL,
    source_region   TEXT                 NOT NULL,
    source_version  BIGINT               NOT NULL,
    org_id          TEXT                 NOT NULL,
    following       BOOLEAN              NOT NULL,
    PRIMARY KEY (region, subject_id, follower_region, source_region)
);

-- Organizations of other jurisdictions that have a site or a person here; region is the region that received.
CREATE TABLE IF NOT EXISTS received_organizations (
    region         crdb_internal_region NOT NULL,
    org_id         TEXT                 NOT NULL,
    source_version BIGINT               NOT NULL,
    received_at    TIMESTAMPTZ          NOT NULL,
    PRIMARY KEY (region, org_id)
);

-- Their digest keys, in the order in which they came, wrapped with this jurisdiction's state key.
CREATE TABLE IF NOT EXISTS received_digest_keys (
    region          crdb_internal_region NOT NULL,
    org_id          TEXT                 NOT NULL,
    key_id          TEXT                 NOT NULL,
    ordinal         BIGINT               NOT NULL,
    wrapped         BYTEA                NOT NULL,
    wrapping_key_id TEXT                 NOT NULL,
    PRIMARY KEY (region, org_id, key_id),
    CONSTRAINT received_digest_keys_organization
        FOREIGN KEY (region, org_id) REFERENCES received_organizations (region, org_id)
);

-- Credentials of people of other jurisdictions who hold a grant here: opaque ids and keyed digests (state is a
-- serialized CredentialState). A row that is not live remembers the version that ended it.
CREATE TABLE IF NOT EXISTS received_credentials (
    region         crdb_internal_region NOT NULL,
    credential_id  TEXT                 NOT NULL,
    org_id         TEXT                 NOT NULL,
    person_id      TEXT                 NOT NULL,
    live           BOOLEAN              NOT NULL,
    state          BYTEA                NOT NULL,
    source_version BIGINT               NOT NULL,
    received_at    TIMESTAMPTZ          NOT NULL,
    PRIMARY KEY (region, credential_id)
);

GRANT SELECT, INSERT, UPDATE ON followers TO {{app}};
GRANT SELECT, INSERT, UPDATE ON received_organizations TO {{app}};
GRANT SELECT, INSERT, DELETE ON received_digest_keys TO {{app}};
GRANT SELECT, INSERT, UPDATE ON received_credentials TO {{app}};
