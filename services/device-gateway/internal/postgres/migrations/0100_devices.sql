-- +goose NO TRANSACTION
-- +goose Up

-- Locks and controllers. public_key_sha256 is that of the certificate's key, from enrolment on.
CREATE TABLE IF NOT EXISTS devices (
	region crdb_internal_region NOT NULL,
	id TEXT NOT NULL,
	org TEXT NOT NULL,
	door_id TEXT NOT NULL,
	site_id TEXT NOT NULL,
	status TEXT NOT NULL CONSTRAINT devices_status_check CHECK (status IN ('claimable', 'enrolled', 'revoked')),
	created_at TIMESTAMPTZ NOT NULL,
	enrolled_at TIMESTAMPTZ,
	revoked_at TIMESTAMPTZ,
	public_key_sha256 BYTEA,
	certificate_not_after TIMESTAMPTZ,
	PRIMARY KEY (region, id)
);

CREATE INDEX IF NOT EXISTS devices_by_door ON devices (region, org, door_id);

-- Claim codes, by the hash of their secret; each is good for one enrolment.
CREATE TABLE IF NOT EXISTS claims (
	region crdb_internal_region NOT NULL,
	secret_sha256 BYTEA NOT NULL,
	device_id TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	used_at TIMESTAMPTZ,
	PRIMARY KEY (region, secret_sha256),
	CONSTRAINT claims_device_fkey FOREIGN KEY (region, device_id) REFERENCES devices (region, id)
);

GRANT SELECT, INSERT, UPDATE ON TABLE devices TO {{app}};
GRANT SELECT, INSERT, UPDATE ON TABLE claims TO {{app}};
