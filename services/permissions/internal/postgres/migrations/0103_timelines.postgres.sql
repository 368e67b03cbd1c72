-- +goose NO TRANSACTION
-- +goose Up

-- A change splits a fact's time: one commit records what held before and what holds from then on, two rows of one version.
-- So the beginning of validity is part of the key.
ALTER TABLE sites DROP CONSTRAINT IF EXISTS sites_pkey;
ALTER TABLE sites ADD PRIMARY KEY (region, id, version, valid_from);
ALTER TABLE doors DROP CONSTRAINT IF EXISTS doors_pkey;
ALTER TABLE doors ADD PRIMARY KEY (region, id, version, valid_from);
ALTER TABLE zones DROP CONSTRAINT IF EXISTS zones_pkey;
ALTER TABLE zones ADD PRIMARY KEY (region, id, version, valid_from);
ALTER TABLE zone_doors DROP CONSTRAINT IF EXISTS zone_doors_pkey;
ALTER TABLE zone_doors ADD PRIMARY KEY (region, zone_id, door_id, version, valid_from);
ALTER TABLE schedules DROP CONSTRAINT IF EXISTS schedules_pkey;
ALTER TABLE schedules ADD PRIMARY KEY (region, id, version, valid_from);
ALTER TABLE groups DROP CONSTRAINT IF EXISTS groups_pkey;
ALTER TABLE groups ADD PRIMARY KEY (region, id, version, valid_from);
ALTER TABLE memberships DROP CONSTRAINT IF EXISTS memberships_pkey;
ALTER TABLE memberships ADD PRIMARY KEY (region, group_id, member_id, version, valid_from);
ALTER TABLE grants DROP CONSTRAINT IF EXISTS grants_pkey;
ALTER TABLE grants ADD PRIMARY KEY (region, id, version, valid_from);
