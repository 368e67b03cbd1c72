-- +goose NO TRANSACTION
-- +goose Up

-- The life of the bucket that brought the version: a bucket that was made anew is not the old one. Empty: not known, e.g. of a
-- gateway that has its copy from its file.
ALTER TABLE applied ADD COLUMN IF NOT EXISTS incarnation TEXT NOT NULL DEFAULT '';
