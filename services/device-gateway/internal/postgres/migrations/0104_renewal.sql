-- +goose NO TRANSACTION
-- +goose Up

-- A certificate that was signed for the device and not used yet: its key opens sessions beside public_key_sha256 until its
-- first use, and takes that one's place then.
ALTER TABLE devices ADD COLUMN IF NOT EXISTS next_public_key_sha256 BYTEA;

ALTER TABLE devices ADD COLUMN IF NOT EXISTS next_certificate_not_after TIMESTAMPTZ;

-- From when the newest certificate of the device holds; unset for one that enrolled before this column.
ALTER TABLE devices ADD COLUMN IF NOT EXISTS newest_not_before TIMESTAMPTZ;
