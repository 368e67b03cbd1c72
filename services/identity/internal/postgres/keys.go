package postgres

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const insertAPIKey = `INSERT INTO api_keys (region, id, org_id, secret_sha256, role, created_at, expires_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7)`

// InsertAPIKey adds a key.
func InsertAPIKey(ctx context.Context, tx pgx.Tx, home region.Name, key registry.APIKey, at time.Time) error {
	_, err := tx.Exec(ctx, insertAPIKey, home, key.ID, key.Org, key.SecretSHA256[:], key.Role, at, null(key.ExpiresAt))
	return named("insert api key", err)
}

const selectAPIKey = `SELECT org_id, secret_sha256, role, expires_at, revoked_at FROM api_keys WHERE region = $1 AND id = $2`

// APIKey reads a key of any organization: the caller does not know yet whose it is.
func APIKey(ctx context.Context, tx pgx.Tx, home region.Name, id region.ID) (registry.APIKey, error) {
	key := registry.APIKey{ID: id}
	var hash []byte
	var expires, revoked *time.Time
	err := tx.QueryRow(ctx, selectAPIKey, home, id).Scan(&key.Org, &hash, &key.Role, &expires, &revoked)
	if err != nil {
		return registry.APIKey{}, one("select api key", err)
	}
	copy(key.SecretSHA256[:], hash)
	key.ExpiresAt, key.RevokedAt = zero(expires), zero(revoked)
	return key, nil
}

const selectAPIKeyRevocation = `SELECT revoked_version FROM api_keys WHERE region = $1 AND id = $2 AND org_id = $3 FOR UPDATE`

// APIKeyRevocation locks a key and returns the version that revoked it, 0 when none did.
func APIKeyRevocation(ctx context.Context, tx pgx.Tx, home region.Name, org, id region.ID) (version int64, err error) {
	err = tx.QueryRow(ctx, selectAPIKeyRevocation, home, id, org).Scan(&version)
	return version, one("select api key", err)
}

const updateAPIKeyRevoked = `UPDATE api_keys SET revoked_at = $3, revoked_version = $4 WHERE region = $1 AND id = $2`

// RevokeAPIKey ends a key that APIKeyRevocation has locked.
func RevokeAPIKey(ctx context.Context, tx pgx.Tx, home region.Name, id region.ID, at time.Time, version int64) error {
	_, err := tx.Exec(ctx, updateAPIKeyRevoked, home, id, at, version)
	return named("revoke api key", err)
}
