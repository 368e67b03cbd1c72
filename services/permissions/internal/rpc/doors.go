package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CreateDoor implements PermissionsService.
func (h *Handler) CreateDoor(ctx context.Context, req *permissionsv1.CreateDoorRequest) (*permissionsv1.CreateDoorResponse, error) {
	p := h.parse()
	door := grants.Door{
		Org: p.org(req.GetOrgId()), Site: p.id("site_id", req.GetSiteId(), region.Site), Name: req.GetName(),
		UnlockFor: millis(req.GetUnlockFor()), Rules: p.rules(req.GetRules()),
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.CreateDoorResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceCreateDoorProcedure, p.home(door.Site), door.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateDoor(ctx, tx, door)
			out.DoorId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		}, door.Site)
	return out, err
}

// GetDoor implements PermissionsService.
func (h *Handler) GetDoor(ctx context.Context, req *permissionsv1.GetDoorRequest) (*permissionsv1.Door, error) {
	p := h.parse()
	id := p.id("door_id", req.GetDoorId(), region.Door)
	return get(ctx, h, p, req, contract.Door, func(ctx context.Context, r grants.Reader, org region.ID) (grants.Door, error) {
		return r.Door(ctx, org, id)
	})
}

// ListSiteDoors implements PermissionsService.
func (h *Handler) ListSiteDoors(ctx context.Context, req *permissionsv1.ListSiteDoorsRequest) (*permissionsv1.ListSiteDoorsResponse, error) {
	p := h.parse()
	site := p.id("site_id", req.GetSiteId(), region.Site)
	found, next, err := list(ctx, h, p, req, contract.Door, func(d grants.Door) region.ID { return d.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Door, error) {
			if _, err := r.Site(ctx, org, site); err != nil {
				return nil, err
			}
			return r.ListDoors(ctx, org, site, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListSiteDoorsResponse{Doors: found, NextPageToken: next}, nil
}

// UpdateDoor implements PermissionsService.
func (h *Handler) UpdateDoor(ctx context.Context, req *permissionsv1.UpdateDoorRequest) (*permissionsv1.UpdateDoorResponse, error) {
	p := h.parse()
	door := grants.Door{
		Org: p.org(req.GetOrgId()), ID: p.id("door_id", req.GetDoorId(), region.Door), Name: req.GetName(),
		UnlockFor: millis(req.GetUnlockFor()), Rules: p.rules(req.GetRules()),
	}
	e := h.edit(p, req)
	now, token, err := change(ctx, h, p, p.plan(door.Org, door.ID), func(ctx context.Context, tx grants.Tx) (grants.Door, grants.Token, error) {
		return h.Commands.UpdateDoor(ctx, tx, door, e)
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.UpdateDoorResponse{Door: contract.Door(now), Token: token}, nil
}

// DeleteDoor implements PermissionsService.
func (h *Handler) DeleteDoor(ctx context.Context, req *permissionsv1.DeleteDoorRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("door_id", req.GetDoorId(), region.Door)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.DeleteDoor(ctx, tx, org, id, req.GetEtag())
	})
}
