-- +goose NO TRANSACTION
-- +goose Up

-- The same for a group's members. CockroachDB needs none: its primary key is the table.
CREATE INDEX IF NOT EXISTS memberships_past_by_group ON memberships (region, group_id, member_id)
	INCLUDE (org, valid_from, valid_to, recorded_at, superseded_at);
