-- +goose NO TRANSACTION
-- Each row lives in its region.

-- +goose Up
ALTER TABLE ledger_heads SET LOCALITY REGIONAL BY ROW AS region;

ALTER TABLE ledger_entries SET LOCALITY REGIONAL BY ROW AS region;

ALTER TABLE ledger_bodies SET LOCALITY REGIONAL BY ROW AS region;

ALTER TABLE parked_events SET LOCALITY REGIONAL BY ROW AS region;
