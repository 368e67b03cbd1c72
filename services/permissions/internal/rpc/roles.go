package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// AssignRole implements PermissionsService.
func (h *Handler) AssignRole(ctx context.Context, req *permissionsv1.AssignRoleRequest) (*permissionsv1.AssignRoleResponse, error) {
	p := h.parse()
	role := grants.RoleAssignment{
		Org:      p.org(req.GetOrgId()),
		Site:     p.optional("site_id", req.GetSiteId(), region.Site),
		Subject:  p.id("subject_id", req.GetSubjectId(), region.Person, region.Group),
		Role:     policy.Role(req.GetRole()),
		Validity: p.validity(req),
	}
	home := p.either("site_id", role.Site, req.GetRegion())
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.AssignRoleResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceAssignRoleProcedure, home, role.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.AssignRole(ctx, tx, home, role)
			out.RoleId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		})
	return out, err
}

// RevokeRole implements PermissionsService.
func (h *Handler) RevokeRole(ctx context.Context, req *permissionsv1.RevokeRoleRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("role_id", req.GetRoleId(), region.Role)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.RevokeRole(ctx, tx, org, id)
	})
}

// ListRoles implements PermissionsService.
func (h *Handler) ListRoles(ctx context.Context, req *permissionsv1.ListRolesRequest) (*permissionsv1.ListRolesResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	found, next, err := list(ctx, h, p, req, contract.Role, func(a grants.RoleAssignment) region.ID { return a.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.RoleAssignment, error) {
			return r.Roles(ctx, home, org, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListRolesResponse{Roles: found, NextPageToken: next}, nil
}
