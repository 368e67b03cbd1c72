-- +goose NO TRANSACTION
-- +goose Up

-- Tenants. An organization lives in the region where it was made.
CREATE TABLE IF NOT EXISTS organizations (
    region     crdb_internal_region NOT NULL,
    id         TEXT                 NOT NULL,
    slug       TEXT                 NOT NULL,
    created_at TIMESTAMPTZ          NOT NULL,
    PRIMARY KEY (region, id)
);

-- Who has which slug in the jurisdiction. All rows of a jurisdiction are in one region, its directory region, so that the
-- primary key is the uniqueness and needs no check across regions. The slug is here only as a keyed hash.
CREATE TABLE IF NOT EXISTS slugs (
    region    crdb_internal_region NOT NULL,
    slug_hash BYTEA                NOT NULL CHECK (length(slug_hash) = 32),
    org_id    TEXT                 NOT NULL,
    PRIMARY KEY (region, slug_hash)
);

-- The keys of the hashes above, wrapped with the jurisdiction's state key. They never change, or the directory would
-- forget whom it knows; a rotation of the state key wraps them again.
CREATE TABLE IF NOT EXISTS directory_keys (
    region          crdb_internal_region NOT NULL,
    purpose         TEXT                 NOT NULL,
    wrapped         BYTEA                NOT NULL,
    wrapping_key_id TEXT                 NOT NULL,
    PRIMARY KEY (region, purpose)
);

-- The keys of an organization's card digests, wrapped with the jurisdiction's state key. They live in the organization's
-- home; people of the other regions of the jurisdiction use the same rows.
CREATE TABLE IF NOT EXISTS digest_keys (
    region          crdb_internal_region NOT NULL,
    id              TEXT                 NOT NULL,
    org_id          TEXT                 NOT NULL,
    wrapped         BYTEA                NOT NULL,
    wrapping_key_id TEXT                 NOT NULL,
    created_at      TIMESTAMPTZ          NOT NULL,
    PRIMARY KEY (region, id),
    CONSTRAINT digest_keys_organization FOREIGN KEY (region, org_id) REFERENCES organizations (region, id)
);

CREATE INDEX IF NOT EXISTS digest_keys_of_organization ON digest_keys (region, org_id);

-- Programs' keys, by the hash of their secret. revoked_version is the organization's version of the commit that revoked,
-- so that revoking twice names one commit.
CREATE TABLE IF NOT EXISTS api_keys (
    region          crdb_internal_region NOT NULL,
    id              TEXT                 NOT NULL,
    org_id          TEXT                 NOT NULL,
    secret_sha256   BYTEA                NOT NULL CHECK (length(secret_sha256) = 32),
    role            TEXT                 NOT NULL,
    created_at      TIMESTAMPTZ          NOT NULL,
    expires_at      TIMESTAMPTZ,
    revoked_at      TIMESTAMPTZ,
    revoked_version BIGINT               NOT NULL DEFAULT 0,
    PRIMARY KEY (region, id),
    CONSTRAINT api_keys_organization FOREIGN KEY (region, org_id) REFERENCES organizations (region, id)
);

GRANT SELECT, INSERT ON organizations TO {{app}};
GRANT SELECT, INSERT ON slugs TO {{app}};
GRANT SELECT, INSERT ON directory_keys TO {{app}};
GRANT SELECT, INSERT ON digest_keys TO {{app}};
GRANT SELECT, INSERT, UPDATE ON api_keys TO {{app}};
