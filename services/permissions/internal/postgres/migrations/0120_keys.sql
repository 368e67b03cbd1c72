-- +goose NO TRANSACTION
-- +goose Up

-- Since when a grant has held without a gap, whatever was updated in between; NULL: since valid_from.
ALTER TABLE grants ADD COLUMN IF NOT EXISTS held_since TIMESTAMPTZ;

-- One thing that is not revoked is known about a grant: what an update replaced is recorded again as ended. Lists of a
-- region go along it.
CREATE UNIQUE INDEX IF NOT EXISTS grants_live ON grants (region, org, id) WHERE superseded_at IS NULL AND NOT revoked;

-- Few grants are shares: the others need not be in an index of parents.
DROP INDEX IF EXISTS grants_by_parent CASCADE;
CREATE INDEX IF NOT EXISTS grants_shares ON grants (region, shared_from) WHERE shared_from <> '';
CREATE INDEX IF NOT EXISTS grants_by_sharer ON grants (region, sharer) WHERE sharer <> '';
