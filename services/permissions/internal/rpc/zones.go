package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CreateZone implements PermissionsService.
func (h *Handler) CreateZone(ctx context.Context, req *permissionsv1.CreateZoneRequest) (*permissionsv1.CreateZoneResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	zone := grants.Zone{
		Org: p.org(req.GetOrgId()), Name: req.GetName(), Doors: p.ids("door_ids", req.GetDoorIds(), region.Door),
		Zones: p.ids("zone_ids", req.GetZoneIds(), region.Zone), AntiPassback: antiPassback(req.GetAntiPassback()),
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.CreateZoneResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceCreateZoneProcedure, home, zone.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateZone(ctx, tx, home, zone)
			out.ZoneId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		}, append(zone.Doors, zone.Zones...)...)
	return out, err
}

// GetZone implements PermissionsService.
func (h *Handler) GetZone(ctx context.Context, req *permissionsv1.GetZoneRequest) (*permissionsv1.Zone, error) {
	p := h.parse()
	id := p.id("zone_id", req.GetZoneId(), region.Zone)
	return get(ctx, h, p, req, contract.Zone, func(ctx context.Context, r grants.Reader, org region.ID) (grants.Zone, error) {
		return r.Zone(ctx, org, id)
	})
}

// ListZones implements PermissionsService.
func (h *Handler) ListZones(ctx context.Context, req *permissionsv1.ListZonesRequest) (*permissionsv1.ListZonesResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	found, next, err := list(ctx, h, p, req, contract.Zone, func(z grants.Zone) region.ID { return z.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Zone, error) {
			return r.ListZones(ctx, home, org, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListZonesResponse{Zones: found, NextPageToken: next}, nil
}

// UpdateZone implements PermissionsService.
func (h *Handler) UpdateZone(ctx context.Context, req *permissionsv1.UpdateZoneRequest) (*permissionsv1.UpdateZoneResponse, error) {
	p := h.parse()
	zone := grants.Zone{
		Org: p.org(req.GetOrgId()), ID: p.id("zone_id", req.GetZoneId(), region.Zone), Name: req.GetName(),
		Doors: p.ids("door_ids", req.GetDoorIds(), region.Door), Zones: p.ids("zone_ids", req.GetZoneIds(), region.Zone),
		AntiPassback: antiPassback(req.GetAntiPassback()),
	}
	e := h.edit(p, req)
	now, token, err := change(ctx, h, p, p.plan(zone.Org, zone.ID, append(zone.Doors, zone.Zones...)...), func(ctx context.Context, tx grants.Tx) (grants.Zone, grants.Token, error) {
		return h.Commands.UpdateZone(ctx, tx, zone, e)
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.UpdateZoneResponse{Zone: contract.Zone(now), Token: token}, nil
}

// DeleteZone implements PermissionsService.
func (h *Handler) DeleteZone(ctx context.Context, req *permissionsv1.DeleteZoneRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("zone_id", req.GetZoneId(), region.Zone)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.DeleteZone(ctx, tx, org, id, req.GetEtag())
	})
}
