package rpc

import (
	"context"
	"errors"

	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

// Authenticator decides about the API keys of the own jurisdiction, from the database: a revoked key ends at once.
type Authenticator struct {
	db        *database.DB
	registrar *registrar.Registrar
}

var _ rpc.Authenticator = (*Authenticator)(nil)

// NewAuthenticator makes the authenticator for identity's own server; keys of other jurisdictions are not its business
// (see rpc.HomeAuthenticator).
func NewAuthenticator(db *database.DB, r *registrar.Registrar) *Authenticator {
	return &Authenticator{db: db, registrar: r}
}

// Authenticate implements rpc.Authenticator.
func (a *Authenticator) Authenticate(ctx context.Context, keyID region.ID, secretSHA256 [32]byte) (rpc.Caller, error) {
	key, err := authenticate(ctx, a.db, a.registrar, keyID, secretSHA256)
	if errors.Is(err, registry.ErrBadKey) {
		return rpc.Caller{}, rpc.BadCaller()
	}
	if err != nil {
		return rpc.Caller{}, err
	}
	caller := rpc.Caller{Kind: rpc.KeyCaller, ID: string(key.ID), Org: key.Org, Permissions: map[string]bool{}}
	for _, permission := range key.Role.Permissions() {
		caller.Permissions[permission] = true
	}
	return caller, nil
}
