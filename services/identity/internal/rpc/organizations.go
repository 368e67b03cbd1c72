package rpc

import (
	"context"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// CreateOrganization has no organization yet: its idempotency key is kept under the region and the operator alone.
func (h *Handler) CreateOrganization(ctx context.Context, req *identityv1.CreateOrganizationRequest) (*identityv1.CreateOrganizationResponse, error) {
	home, err := h.regions.Lookup(region.Name(req.GetRegion()))
	if err != nil {
		return nil, err
	}
	answer := &identityv1.CreateOrganizationResponse{}
	key := idempotency.Key{Region: home.Name, Method: "CreateOrganization", Key: req.GetIdempotencyKey()}
	err = h.create(ctx, key, req, answer, func(ctx context.Context, tx pgx.Tx) (region.ID, error) {
		made, err := h.registrar.CreateOrganization(ctx, tx, home, req.GetSlug())
		answer.Organization, answer.ApiKey, answer.Token = organizationToProto(made.Organization), made.AdminKey, made.Token
		return made.Organization.ID, err
	})
	return answer, err
}

// GetOrganization reads one.
func (h *Handler) GetOrganization(ctx context.Context, req *identityv1.GetOrganizationRequest) (*identityv1.Organization, error) {
	id, err := h.regions.Parse(req.GetOrgId(), region.Organization)
	if err != nil {
		return nil, err
	}
	var org registry.Organization
	err = h.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		org, err = h.registrar.Organization(ctx, tx, id)
		return err
	})
	return organizationToProto(org), err
}

func organizationToProto(org registry.Organization) *identityv1.Organization {
	return &identityv1.Organization{Id: string(org.ID), Slug: org.Slug, CreatedAt: timestamppb.New(org.CreatedAt)}
}
