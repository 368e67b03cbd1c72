-- +goose NO TRANSACTION
-- +goose Up

-- People. What identifies them is in `sealed`, under a key of their own; nothing of it is indexed. A person lives in the
-- region that the tenant chose, which need not be the organization's: hence no foreign key to it.
CREATE TABLE IF NOT EXISTS people (
    region         crdb_internal_region NOT NULL,
    id             TEXT                 NOT NULL,
    org_id         TEXT                 NOT NULL,
    status         TEXT                 NOT NULL CHECK (status IN ('active', 'erased')),
    sealed         BYTEA,
    created_at     TIMESTAMPTZ          NOT NULL,
    erased_at      TIMESTAMPTZ,
    erased_version BIGINT               NOT NULL DEFAULT 0,
    PRIMARY KEY (region, id)
);

-- A person's own key, wrapped with the jurisdiction's person key. Erasing a person deletes the row, and with it everything
-- that was ever sealed for them, in every event and in every copy that does not hold this table.
CREATE TABLE IF NOT EXISTS person_keys (
    region          crdb_internal_region NOT NULL,
    person_id       TEXT                 NOT NULL,
    wrapped         BYTEA                NOT NULL,
    wrapping_key_id TEXT                 NOT NULL,
    PRIMARY KEY (region, person_id),
    CONSTRAINT person_keys_person FOREIGN KEY (region, person_id) REFERENCES people (region, id)
);

-- Credentials live with their person. The card's number is in `sealed`, under the person's key.
CREATE TABLE IF NOT EXISTS credentials (
    region          crdb_internal_region NOT NULL,
    id              TEXT                 NOT NULL,
    org_id          TEXT                 NOT NULL,
    person_id       TEXT                 NOT NULL,
    kind            TEXT                 NOT NULL CHECK (kind IN ('card', 'mobile')),
    status          TEXT                 NOT NULL CHECK (status IN ('active', 'revoked')),
    sealed          BYTEA,
    issued_at       TIMESTAMPTZ          NOT NULL,
    revoked_at      TIMESTAMPTZ,
    revoked_version BIGINT               NOT NULL DEFAULT 0,
    PRIMARY KEY (region, id),
    CONSTRAINT credentials_person FOREIGN KEY (region, person_id) REFERENCES people (region, id)
);

CREATE INDEX IF NOT EXISTS credentials_of_person ON credentials (region, person_id);

-- What doors know of a credential: one digest for each digest key of the organization. Rows of revoked credentials stay,
-- not active.
CREATE TABLE IF NOT EXISTS credential_digests (
    region        crdb_internal_region NOT NULL,
    credential_id TEXT                 NOT NULL,
    key_id        TEXT                 NOT NULL,
    org_id        TEXT                 NOT NULL,
    digest        BYTEA                NOT NULL CHECK (length(digest) = 32),
    active        BOOLEAN              NOT NULL,
    PRIMARY KEY (region, credential_id, key_id),
    CONSTRAINT credential_digests_credential FOREIGN KEY (region, credential_id) REFERENCES credentials (region, id)
);

-- One active credential for a card in an organization. The other regions of the jurisdiction are looked at by the issuing
-- transaction.
CREATE UNIQUE INDEX IF NOT EXISTS credential_digests_active
    ON credential_digests (region, org_id, key_id, digest) WHERE active;

GRANT SELECT, INSERT, UPDATE ON people TO {{app}};
GRANT SELECT, INSERT, DELETE ON person_keys TO {{app}};
GRANT SELECT, INSERT, UPDATE ON credentials TO {{app}};
GRANT SELECT, INSERT, UPDATE ON credential_digests TO {{app}};
