package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Grant implements PermissionsService.
func (h *Handler) Grant(ctx context.Context, req *permissionsv1.GrantRequest) (*permissionsv1.GrantResponse, error) {
	p := h.parse()
	grant := grants.Grant{
		Org:      p.org(req.GetOrgId()),
		Target:   p.id("target_id", req.GetTargetId(), region.Door, region.Zone),
		Subject:  p.id("subject_id", req.GetSubjectId(), region.Person, region.Group),
		Schedule: p.optional("schedule_id", req.GetScheduleId(), region.Schedule),
		Validity: grants.Validity{From: p.time("valid_from", req.GetValidFrom()), To: p.time("valid_to", req.GetValidTo())},
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.GrantResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceGrantProcedure, p.home(grant.Target), grant.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateGrant(ctx, tx, grant)
			out.GrantId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		}, grant.Target, grant.Subject, grant.Schedule)
	return out, err
}

// Revoke implements PermissionsService.
func (h *Handler) Revoke(ctx context.Context, req *permissionsv1.RevokeRequest) (*permissionsv1.RevokeResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("grant_id", req.GetGrantId(), region.Grant)
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.RevokeResponse{}
	plan := grants.Plan{Org: org, Home: p.home(id), Reads: []region.ID{id}}
	err := h.Store.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) error {
		token, err := h.Commands.Revoke(ctx, tx, org, id)
		out.Token = wire(token)
		return err
	})
	return out, err
}
