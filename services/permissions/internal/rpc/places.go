package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
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

// CreateDoor implements PermissionsService.
func (h *Handler) CreateDoor(ctx context.Context, req *permissionsv1.CreateDoorRequest) (*permissionsv1.CreateDoorResponse, error) {
	p := h.parse()
	door := grants.Door{
		Org: p.org(req.GetOrgId()), Site: p.id("site_id", req.GetSiteId(), region.Site), Name: req.GetName(),
		UnlockFor: req.GetUnlockFor().AsDuration(),
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
	org, id := p.org(req.GetOrgId()), p.id("door_id", req.GetDoorId(), region.Door)
	atLeast := p.tokens("at_least", req.GetAtLeast(), org)
	if p.err != nil {
		return nil, p.err
	}
	var door grants.Door
	err := h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) (err error) {
		if err := r.Fresh(ctx, atLeast); err != nil {
			return err
		}
		door, err = r.Door(ctx, org, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.Door{
		Id: string(door.ID), OrgId: string(door.Org), SiteId: string(door.Site), Name: door.Name, UnlockFor: durationpb.New(door.UnlockFor),
	}, nil
}

// CreateZone implements PermissionsService.
func (h *Handler) CreateZone(ctx context.Context, req *permissionsv1.CreateZoneRequest) (*permissionsv1.CreateZoneResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	zone := grants.Zone{Org: p.org(req.GetOrgId()), Name: req.GetName(), Doors: p.ids("door_ids", req.GetDoorIds(), region.Door)}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.CreateZoneResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceCreateZoneProcedure, home, zone.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateZone(ctx, tx, home, zone)
			out.ZoneId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		}, zone.Doors...)
	return out, err
}

// CreateSchedule implements PermissionsService.
func (h *Handler) CreateSchedule(ctx context.Context, req *permissionsv1.CreateScheduleRequest) (*permissionsv1.CreateScheduleResponse, error) {
	p := h.parse()
	schedule := grants.Schedule{
		Org: p.org(req.GetOrgId()), Site: p.id("site_id", req.GetSiteId(), region.Site), Name: req.GetName(), Spec: spec(req.GetSpec()),
	}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.CreateScheduleResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceCreateScheduleProcedure, p.home(schedule.Site), schedule.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateSchedule(ctx, tx, schedule)
			out.ScheduleId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		}, schedule.Site)
	return out, err
}
