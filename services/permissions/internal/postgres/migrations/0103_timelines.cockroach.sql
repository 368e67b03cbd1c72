-- +goose NO TRANSACTION
-- +goose Up

-- A change splits a fact's time: one commit records what held before and what holds from then on, two rows of one version.
-- So the beginning of validity is part of the key.
ALTER TABLE sites ALTER PRIMARY KEY USING COLUMNS (region, id, version, valid_from);
ALTER TABLE doors ALTER PRIMARY KEY USING COLUMNS (region, id, version, valid_from);
ALTER TABLE zones ALTER PRIMARY KEY USING COLUMNS (region, id, version, valid_from);
ALTER TABLE zone_doors ALTER PRIMARY KEY USING COLUMNS (region, zone_id, door_id, version, valid_from);
ALTER TABLE schedules ALTER PRIMARY KEY USING COLUMNS (region, id, version, valid_from);
ALTER TABLE groups ALTER PRIMARY KEY USING COLUMNS (region, id, version, valid_from);
ALTER TABLE memberships ALTER PRIMARY KEY USING COLUMNS (region, group_id, member_id, version, valid_from);
ALTER TABLE grants ALTER PRIMARY KEY USING COLUMNS (region, id, version, valid_from);
