package rpc

import (
	"context"
	"fmt"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Grant implements PermissionsService.
func (h *Handler) Grant(ctx context.Context, req *permissionsv1.GrantRequest) (*permissionsv1.GrantResponse, error) {
	p := h.parse()
	grant := grants.Grant{
		Org:          p.org(req.GetOrgId()),
		Target:       p.id("target_id", req.GetTargetId(), region.Door, region.Zone),
		Subject:      p.id("subject_id", req.GetSubjectId(), region.Person, region.Group),
		Schedule:     p.optional("schedule_id", req.GetScheduleId(), region.Schedule),
		Validity:     p.validity(req),
		MaxUses:      int(req.GetMaxUses()),
		OverrideRank: int(req.GetOverrideRank()),
		ShareDepth:   int(req.GetShareDepth()),
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
	since := p.effective(req, h.Now())
	out, err := h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.Revoke(ctx, tx, org, id, since)
	})
	return &permissionsv1.RevokeResponse{Token: out.GetToken()}, err
}

// GetGrant implements PermissionsService.
func (h *Handler) GetGrant(ctx context.Context, req *permissionsv1.GetGrantRequest) (*permissionsv1.Grant, error) {
	p := h.parse()
	id := p.id("grant_id", req.GetGrantId(), region.Grant)
	return get(ctx, h, p, req, contract.Grant, func(ctx context.Context, r grants.Reader, org region.ID) (grants.Grant, error) {
		return r.Grant(ctx, org, id)
	})
}

// ListGrants implements PermissionsService.
func (h *Handler) ListGrants(ctx context.Context, req *permissionsv1.ListGrantsRequest) (*permissionsv1.ListGrantsResponse, error) {
	p := h.parse()
	target := p.optional("target_id", req.GetTargetId(), region.Door, region.Zone)
	subject := p.optional("subject_id", req.GetSubjectId(), region.Person, region.Group)
	home := p.either("target_id", target, req.GetRegion())
	found, next, err := list(ctx, h, p, req, contract.Grant, func(g grants.Grant) region.ID { return g.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Grant, error) {
			return r.Grants(ctx, grants.GrantsQuery{Org: org, Home: home, Target: target, Subject: subject, After: after, Limit: limit})
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListGrantsResponse{Grants: found, NextPageToken: next}, nil
}

// UpdateGrant implements PermissionsService.
func (h *Handler) UpdateGrant(ctx context.Context, req *permissionsv1.UpdateGrantRequest) (*permissionsv1.UpdateGrantResponse, error) {
	p := h.parse()
	grant := grants.Grant{
		Org:          p.org(req.GetOrgId()),
		ID:           p.id("grant_id", req.GetGrantId(), region.Grant),
		Schedule:     p.optional("schedule_id", req.GetScheduleId(), region.Schedule),
		Validity:     p.validity(req),
		MaxUses:      int(req.GetMaxUses()),
		OverrideRank: int(req.GetOverrideRank()),
		ShareDepth:   int(req.GetShareDepth()),
	}
	now, token, err := change(ctx, h, p, p.plan(grant.Org, grant.ID, grant.Schedule), func(ctx context.Context, tx grants.Tx) (grants.Grant, grants.Token, error) {
		return h.Commands.UpdateGrant(ctx, tx, grant, req.GetEtag())
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.UpdateGrantResponse{Grant: contract.Grant(now), Token: token}, nil
}

// either is the region of a request about a thing or about a region: exactly one of the two is set.
func (p *parser) either(field string, id region.ID, name string) region.Name {
	switch {
	case (id == "") == (name == "") && p.err == nil:
		p.fail(field+", region", fmt.Errorf("%w: exactly one of the two must be set", grants.ErrInvalid))
	case id != "":
		return p.home(id)
	case name != "":
		return p.region("region", name)
	}
	return ""
}
