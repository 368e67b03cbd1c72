-- +goose NO TRANSACTION
-- +goose Up

-- A person's doors in the order of their ids, page by page; in place of grants_by_subject, whose columns it begins with.
CREATE INDEX IF NOT EXISTS grants_by_subject_and_target ON grants (region, subject_id, target_id);
DROP INDEX IF EXISTS grants_by_subject CASCADE;
