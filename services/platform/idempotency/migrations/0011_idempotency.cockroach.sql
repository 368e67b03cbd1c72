-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE idempotency SET LOCALITY REGIONAL BY ROW AS region;
