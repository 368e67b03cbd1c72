-- +goose NO TRANSACTION
-- +goose Up

-- Who is in which group now, for those who load an organization: without it they would read every membership that ever was.
CREATE INDEX IF NOT EXISTS memberships_now ON memberships (region, org) WHERE superseded_at IS NULL AND valid_to IS NULL;
