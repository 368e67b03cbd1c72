-- +goose NO TRANSACTION
-- A lock's events in the lock's order: which device's lock reported an event, in which boot epoch, and as its how manieth. Empty and 0
-- where no lock did, and in rows from before.

-- +goose Up
ALTER TABLE ledger_bodies ADD COLUMN IF NOT EXISTS device TEXT NOT NULL DEFAULT '';

ALTER TABLE ledger_bodies ADD COLUMN IF NOT EXISTS boot_epoch BIGINT NOT NULL DEFAULT 0;

ALTER TABLE ledger_bodies ADD COLUMN IF NOT EXISTS lock_sequence BIGINT NOT NULL DEFAULT 0;

CREATE INDEX IF NOT EXISTS ledger_bodies_lock ON ledger_bodies (region, org, device, boot_epoch, lock_sequence) WHERE device <> '';
