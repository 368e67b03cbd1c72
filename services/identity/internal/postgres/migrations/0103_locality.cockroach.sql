-- +goose NO TRANSACTION
-- +goose Up

-- Every row is homed where its region column says; see services/decisions/0001 and 0002.

ALTER TABLE organizations SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE slugs SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE directory_keys SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE digest_keys SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE api_keys SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE people SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE person_keys SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE credentials SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE credential_digests SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE followers SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE received_organizations SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE received_digest_keys SET LOCALITY REGIONAL BY ROW AS region;
ALTER TABLE received_credentials SET LOCALITY REGIONAL BY ROW AS region;
