package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CreateSite implements PermissionsService.
func (h *Handler) CreateSite(ctx context.Context, req *permissionsv1.CreateSiteRequest) (*permissionsv1.CreateSiteResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	site := grants.Site{Org: p.org(req.GetOrgId()), Name: req.GetName(), TimeZone: req.GetTimeZone()}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.CreateSiteResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceCreateSiteProcedure, home, site.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateSite(ctx, tx, home, site)
			out.SiteId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		})
	return out, err
}

// GetSite implements PermissionsService.
func (h *Handler) GetSite(ctx context.Context, req *permissionsv1.GetSiteRequest) (*permissionsv1.Site, error) {
	p := h.parse()
	id := p.id("site_id", req.GetSiteId(), region.Site)
	return get(ctx, h, p, req, contract.Site, func(ctx context.Context, r grants.Reader, org region.ID) (grants.Site, error) {
		return r.Site(ctx, org, id)
	})
}

// ListSites implements PermissionsService.
func (h *Handler) ListSites(ctx context.Context, req *permissionsv1.ListSitesRequest) (*permissionsv1.ListSitesResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	found, next, err := list(ctx, h, p, req, contract.Site, func(s grants.Site) region.ID { return s.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Site, error) {
			return r.ListSites(ctx, home, org, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListSitesResponse{Sites: found, NextPageToken: next}, nil
}

// UpdateSite implements PermissionsService.
func (h *Handler) UpdateSite(ctx context.Context, req *permissionsv1.UpdateSiteRequest) (*permissionsv1.UpdateSiteResponse, error) {
	p := h.parse()
	site := grants.Site{
		Org: p.org(req.GetOrgId()), ID: p.id("site_id", req.GetSiteId(), region.Site), Name: req.GetName(), TimeZone: req.GetTimeZone(),
	}
	e := h.edit(p, req)
	now, token, err := change(ctx, h, p, p.plan(site.Org, site.ID), func(ctx context.Context, tx grants.Tx) (grants.Site, grants.Token, error) {
		return h.Commands.UpdateSite(ctx, tx, site, e)
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.UpdateSiteResponse{Site: contract.Site(now), Token: token}, nil
}

// DeleteSite implements PermissionsService.
func (h *Handler) DeleteSite(ctx context.Context, req *permissionsv1.DeleteSiteRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("site_id", req.GetSiteId(), region.Site)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.DeleteSite(ctx, tx, org, id, req.GetEtag())
	})
}
