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
		})
	return out, err
}

// Revoke implements PermissionsService.
func (h *Handler) Revoke(ctx context.Context, req *permissionsv1.RevokeRequest) (*permissionsv1.RevokeResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("grant_id", req.GetGrantId(), region.Grant)
	since := p.effective(req, h.Now())
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.RevokeResponse{}
	err := h.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) error {
		token, err := h.Commands.Revoke(ctx, tx, org, id, since)
		out.Token = wire(token)
		return err
	})
	return out, err
}

// GetGrant implements PermissionsService.
func (h *Handler) GetGrant(ctx context.Context, req *permissionsv1.GetGrantRequest) (*permissionsv1.Grant, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("grant_id", req.GetGrantId(), region.Grant)
	var grant grants.Grant
	err := h.read(ctx, p, req, org, func(ctx context.Context, r grants.Reader) (err error) {
		grant, err = r.Grant(ctx, org, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return contract.Grant(grant), nil
}

// ListGrants implements PermissionsService.
func (h *Handler) ListGrants(ctx context.Context, req *permissionsv1.ListGrantsRequest) (*permissionsv1.ListGrantsResponse, error) {
	p := h.parse()
	page := p.page(req)
	q := grants.GrantsQuery{
		Org:     p.org(req.GetOrgId()),
		Target:  p.optional("target_id", req.GetTargetId(), region.Door, region.Zone),
		Subject: p.optional("subject_id", req.GetSubjectId(), region.Person, region.Group),
		After:   page.after, Limit: page.limit(),
	}
	q.Home = p.either("target_id", q.Target, req.GetRegion())
	out := &permissionsv1.ListGrantsResponse{}
	err := h.read(ctx, p, req, q.Org, func(ctx context.Context, r grants.Reader) error {
		found, err := r.Grants(ctx, q)
		out.Grants, out.NextPageToken = pageOf(page, found, contract.Grant, func(g grants.Grant) region.ID { return g.ID })
		return err
	})
	return out, err
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
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.UpdateGrantResponse{}
	err := h.Store.Write(ctx, func(ctx context.Context, tx grants.Tx) error {
		updated, err := h.Commands.UpdateGrant(ctx, tx, grant, req.GetEtag())
		out.Grant, out.Token = contract.Grant(updated.Now), wire(updated.Token)
		return err
	})
	return out, err
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
