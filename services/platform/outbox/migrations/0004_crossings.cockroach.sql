-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE call_targets SET LOCALITY REGIONAL BY ROW AS region;
