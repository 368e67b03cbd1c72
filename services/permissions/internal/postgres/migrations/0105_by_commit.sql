-- +goose NO TRANSACTION
-- +goose Up

-- What an organization's commits after a version recorded, for those who keep a copy in memory; and all of it, for those who load one.
CREATE INDEX IF NOT EXISTS sites_by_commit ON sites (region, org, version);
CREATE INDEX IF NOT EXISTS doors_by_commit ON doors (region, org, version);
CREATE INDEX IF NOT EXISTS zones_by_commit ON zones (region, org, version);
CREATE INDEX IF NOT EXISTS zone_doors_by_commit ON zone_doors (region, org, version);
CREATE INDEX IF NOT EXISTS zone_zones_by_commit ON zone_zones (region, org, version);
CREATE INDEX IF NOT EXISTS schedules_by_commit ON schedules (region, org, version);
CREATE INDEX IF NOT EXISTS holiday_calendars_by_commit ON holiday_calendars (region, org, version);
CREATE INDEX IF NOT EXISTS groups_by_commit ON groups (region, org, version);
CREATE INDEX IF NOT EXISTS memberships_by_commit ON memberships (region, org, version);
CREATE INDEX IF NOT EXISTS grants_by_commit ON grants (region, org, version);
CREATE INDEX IF NOT EXISTS lockdowns_by_commit ON lockdowns (region, org, version);
CREATE INDEX IF NOT EXISTS roles_by_commit ON roles (region, org, version);
