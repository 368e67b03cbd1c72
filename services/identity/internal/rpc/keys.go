package rpc

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// CreateAPIKey makes a key of an organization.
func (h *Handler) CreateAPIKey(ctx context.Context, req *identityv1.CreateAPIKeyRequest) (*identityv1.CreateAPIKeyResponse, error) {
	org, err := h.regions.Parse(req.GetOrgId(), region.Organization)
	if err != nil {
		return nil, err
	}
	home, err := h.regions.Home(org)
	if err != nil {
		return nil, err
	}
	var expires time.Time
	if at := req.GetExpiresAt(); at != nil {
		if !at.IsValid() {
			return nil, registry.ErrNoTime
		}
		expires = at.AsTime()
	}
	answer := &identityv1.CreateAPIKeyResponse{}
	key := idempotency.Key{Region: home.Name, Org: org, Method: "CreateAPIKey", Key: req.GetIdempotencyKey()}
	err = h.create(ctx, key, req, answer, func(ctx context.Context, tx pgx.Tx) (region.ID, error) {
		made, err := h.registrar.CreateAPIKey(ctx, tx, org, registrar.RoleFromProto(req.GetRole()), expires)
		answer.KeyId, answer.ApiKey, answer.Token = string(made.ID), made.Bearer, made.Token
		return made.ID, err
	})
	return answer, err
}

// RevokeAPIKey ends a key.
func (h *Handler) RevokeAPIKey(ctx context.Context, req *identityv1.RevokeAPIKeyRequest) (*identityv1.RevokeAPIKeyResponse, error) {
	org, id, err := h.parse(req.GetOrgId(), req.GetKeyId(), region.APIKey)
	if err != nil {
		return nil, err
	}
	var token *registrar.Token
	err = h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		token, err = h.registrar.RevokeAPIKey(ctx, tx, org, id)
		return err
	})
	return &identityv1.RevokeAPIKeyResponse{Token: token}, err
}

// AuthenticateKey tells a service whose key this is. The id may be of any form: a key that cannot be is a bad key too.
func (h *Handler) AuthenticateKey(ctx context.Context, req *identityv1.AuthenticateKeyRequest) (*identityv1.AuthenticateKeyResponse, error) {
	key, err := authenticate(ctx, h.db, h.registrar, region.ID(req.GetKeyId()), [32]byte(req.GetSecretSha256()))
	if err != nil {
		return nil, err
	}
	answer := &identityv1.AuthenticateKeyResponse{KeyId: string(key.ID), OrgId: string(key.Org), Permissions: key.Role.Permissions()}
	if !key.ExpiresAt.IsZero() {
		answer.ExpiresAt = timestamppb.New(key.ExpiresAt)
	}
	return answer, nil
}

func authenticate(ctx context.Context, db *database.DB, r *registrar.Registrar, id region.ID, secretSHA256 [32]byte) (key registry.APIKey, err error) {
	err = db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		key, err = r.Authenticate(ctx, tx, id, secretSHA256)
		return err
	})
	return key, err
}
