-- +goose NO TRANSACTION
-- +goose Up

-- A question about the past looks through all that was ever recorded of a group, a person, a target: for years of history
-- the four times decide which rows count, so they are in the index and the rows need not be fetched. In place of indexes
-- whose columns these begin with.
CREATE INDEX IF NOT EXISTS memberships_past_by_member ON memberships (region, member_id, group_id)
	INCLUDE (org, valid_from, valid_to, recorded_at, superseded_at);
DROP INDEX IF EXISTS memberships_by_member CASCADE;
CREATE INDEX IF NOT EXISTS grants_past_by_target ON grants (region, target_id, subject_id)
	INCLUDE (org, valid_from, valid_to, recorded_at, superseded_at);
DROP INDEX IF EXISTS grants_by_target CASCADE;
CREATE INDEX IF NOT EXISTS grants_past_by_subject ON grants (region, subject_id, target_id)
	INCLUDE (org, valid_from, valid_to, recorded_at, superseded_at);
DROP INDEX IF EXISTS grants_by_subject CASCADE;
