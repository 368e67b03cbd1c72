-- +goose NO TRANSACTION
-- +goose Up

-- PINs and entry codes are credentials, too. The rule that knew cards and mobile keys only has the name that the engine gave it:
-- the first is PostgreSQL's, the second CockroachDB's.
ALTER TABLE credentials DROP CONSTRAINT IF EXISTS credentials_kind_check;
ALTER TABLE credentials DROP CONSTRAINT IF EXISTS check_kind;
ALTER TABLE credentials DROP CONSTRAINT IF EXISTS credentials_kind;
ALTER TABLE credentials ADD CONSTRAINT credentials_kind CHECK (kind IN ('card', 'mobile', 'pin', 'entry_code'));
