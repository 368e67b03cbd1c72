-- +goose NO TRANSACTION
-- +goose Up

-- What an organization's commits said, in their order: for those who watch.
CREATE INDEX IF NOT EXISTS events_by_org ON events (region, org, org_version);
