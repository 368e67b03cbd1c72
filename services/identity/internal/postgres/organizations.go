package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const insertOrganization = `INSERT INTO organizations (region, id, slug, created_at) VALUES ($1, $2, $3, $4)`

// InsertOrganization adds an organization to its home.
func InsertOrganization(ctx context.Context, tx pgx.Tx, home region.Name, org registry.Organization) error {
	_, err := tx.Exec(ctx, insertOrganization, home, org.ID, org.Slug, org.CreatedAt)
	return named("insert organization", err)
}

const selectOrganization = `SELECT slug, created_at FROM organizations WHERE region = $1 AND id = $2`

// Organization reads one.
func Organization(ctx context.Context, tx pgx.Tx, home region.Name, id region.ID) (registry.Organization, error) {
	org := registry.Organization{ID: id}
	err := tx.QueryRow(ctx, selectOrganization, home, id).Scan(&org.Slug, &org.CreatedAt)
	return org, one("select organization", err)
}

const insertSlug = `INSERT INTO slugs (region, slug_hash, org_id) VALUES ($1, $2, $3)`

// TakeSlug enters a slug's hash in the jurisdiction's directory, or says registry.ErrSlugTaken.
func TakeSlug(ctx context.Context, tx pgx.Tx, directory region.Name, hash [32]byte, org region.ID) error {
	_, err := tx.Exec(ctx, insertSlug, directory, hash[:], org)
	if name, broken := database.Constraint(err); broken && name == "slugs_pkey" {
		return registry.ErrSlugTaken
	}
	return named("insert slug", err)
}

const insertDirectoryKey = `INSERT INTO directory_keys (region, purpose, wrapped, wrapping_key_id) VALUES ($1, $2, $3, $4)
	ON CONFLICT (region, purpose) DO NOTHING`

const selectDirectoryKey = `SELECT wrapped, wrapping_key_id FROM directory_keys WHERE region = $1 AND purpose = $2`

// DirectoryKey returns the wrapped key of a directory, which is made once: the first caller's candidate stays.
func DirectoryKey(ctx context.Context, tx pgx.Tx, directory region.Name, purpose string, candidate func() registry.Wrapped) (registry.Wrapped, error) {
	key, err := directoryKey(ctx, tx, directory, purpose)
	if !errors.Is(err, registry.ErrNotFound) {
		return key, err
	}
	made := candidate()
	if _, err := tx.Exec(ctx, insertDirectoryKey, directory, purpose, made.Sealed, made.KeyID); err != nil {
		return registry.Wrapped{}, named("insert directory key", err)
	}
	return directoryKey(ctx, tx, directory, purpose)
}

func directoryKey(ctx context.Context, tx pgx.Tx, directory region.Name, purpose string) (registry.Wrapped, error) {
	var key registry.Wrapped
	err := tx.QueryRow(ctx, selectDirectoryKey, directory, purpose).Scan(&key.Sealed, &key.KeyID)
	return key, one("select directory key", err)
}

const insertDigestKey = `INSERT INTO digest_keys (region, id, org_id, wrapped, wrapping_key_id, created_at)
	VALUES ($1, $2, $3, $4, $5, $6)`

// InsertDigestKey adds a digest key to its organization.
func InsertDigestKey(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID, key registry.WrappedDigestKey, at time.Time) error {
	_, err := tx.Exec(ctx, insertDigestKey, home, key.ID, org, key.Sealed, key.KeyID, at)
	return named("insert digest key", err)
}

const selectDigestKeys = `SELECT id, wrapped, wrapping_key_id FROM digest_keys WHERE region = $1 AND org_id = $2 ORDER BY created_at, id`

// DigestKeys returns an organization's digest keys from its home, oldest first; none when there is no such organization.
func DigestKeys(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID) ([]registry.WrappedDigestKey, error) {
	return digestKeys(ctx, tx, selectDigestKeys, home, org)
}

func digestKeys(ctx context.Context, tx pgx.Tx, query string, home region.Name, org region.ID) ([]registry.WrappedDigestKey, error) {
	rows, err := tx.Query(ctx, query, home, org)
	if err != nil {
		return nil, named("select digest keys", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (registry.WrappedDigestKey, error) {
		var key registry.WrappedDigestKey
		err := row.Scan(&key.ID, &key.Sealed, &key.KeyID)
		return key, err
	})
	return keys, named("select digest keys", err)
}
