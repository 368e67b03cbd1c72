package registrar

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// NewAPIKey is a key and what is shown once.
type NewAPIKey struct {
	ID     region.ID
	Bearer string // `cardea_<key id>_<secret>`
	Token  *Token
}

// CreateAPIKey makes a key of an organization, at the organization's home. A zero expiresAt is never.
func (r *Registrar) CreateAPIKey(ctx context.Context, tx pgx.Tx, org region.ID, role registry.Role, expiresAt time.Time) (NewAPIKey, error) {
	if err := registry.CheckExpiry(expiresAt, r.now()); err != nil {
		return NewAPIKey{}, err
	}
	home, err := r.regions.Home(org)
	if err != nil {
		return NewAPIKey{}, err
	}
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return NewAPIKey{}, err
	}
	if _, err := postgres.Organization(ctx, tx, home.Name, org); err != nil {
		return NewAPIKey{}, err
	}
	id, bearer, err := addAPIKey(ctx, tx, commit, home, registry.APIKey{Org: org, Role: role, ExpiresAt: expiresAt})
	if err != nil {
		return NewAPIKey{}, err
	}
	token, err := commit.Flush(ctx)
	return NewAPIKey{ID: id, Bearer: bearer, Token: token}, err
}

func addAPIKey(ctx context.Context, tx pgx.Tx, commit *outbox.Commit, home region.Region, key registry.APIKey) (region.ID, string, error) {
	var random [32]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program when the system has no randomness
	secret := registry.NewSecret(random)
	key.ID, key.SecretSHA256 = region.NewID(region.APIKey, home.Code), secret.SHA256()
	if err := postgres.InsertAPIKey(ctx, tx, home.Name, key, commit.RecordedAt); err != nil {
		return "", "", err
	}
	commit.Event(outbox.Event{
		Stream: key.ID, Kind: "api_key_created",
		Payload: &identityv1.APIKeyCreated{KeyId: string(key.ID), Role: RoleToProto(key.Role)},
	})
	return key.ID, secret.Bearer(key.ID), nil
}

// RevokeAPIKey ends a key.
func (r *Registrar) RevokeAPIKey(ctx context.Context, tx pgx.Tx, org, id region.ID) (*Token, error) {
	home, err := r.regions.Home(id)
	if err != nil {
		return nil, err
	}
	version, err := postgres.APIKeyRevocation(ctx, tx, home.Name, org, id)
	if err != nil {
		return nil, err
	}
	if version > 0 {
		return token(home.Name, org, version), nil
	}
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return nil, err
	}
	if err := postgres.RevokeAPIKey(ctx, tx, home.Name, id, commit.RecordedAt, commit.Version); err != nil {
		return nil, err
	}
	commit.Event(outbox.Event{Stream: id, Kind: "api_key_revoked", Payload: &identityv1.APIKeyRevoked{KeyId: string(id)}})
	return commit.Flush(ctx)
}

// Authenticate returns the key of an id when the secret is its own and it works now. For every other case there is one
// error, registry.ErrBadKey, and the same comparison.
func (r *Registrar) Authenticate(ctx context.Context, tx pgx.Tx, id region.ID, secretSHA256 [32]byte) (registry.APIKey, error) {
	home, err := r.regions.Home(id)
	if err != nil {
		return registry.APIKey{}, registry.ErrBadKey
	}
	key, err := postgres.APIKey(ctx, tx, home.Name, id)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return registry.APIKey{}, err
	}
	if !key.Admits(secretSHA256, r.now()) {
		return registry.APIKey{}, registry.ErrBadKey
	}
	return key, nil
}
