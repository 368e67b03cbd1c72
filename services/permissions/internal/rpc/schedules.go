package rpc

import (
	"context"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CreateSchedule implements PermissionsService.
func (h *Handler) CreateSchedule(ctx context.Context, req *permissionsv1.CreateScheduleRequest) (*permissionsv1.CreateScheduleResponse, error) {
	p := h.parse()
	schedule := grants.Schedule{
		Org: p.org(req.GetOrgId()), Site: p.id("site_id", req.GetSiteId(), region.Site), Name: req.GetName(),
		Spec: spec(req.GetSpec()), Calendars: p.calendars(req.GetSpec()),
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

// GetSchedule implements PermissionsService.
func (h *Handler) GetSchedule(ctx context.Context, req *permissionsv1.GetScheduleRequest) (*permissionsv1.Schedule, error) {
	p := h.parse()
	id := p.id("schedule_id", req.GetScheduleId(), region.Schedule)
	return get(ctx, h, p, req, contract.Schedule, func(ctx context.Context, r grants.Reader, org region.ID) (grants.Schedule, error) {
		return r.Schedule(ctx, org, id)
	})
}

// ListSchedules implements PermissionsService.
func (h *Handler) ListSchedules(ctx context.Context, req *permissionsv1.ListSchedulesRequest) (*permissionsv1.ListSchedulesResponse, error) {
	p := h.parse()
	site := p.id("site_id", req.GetSiteId(), region.Site)
	found, next, err := list(ctx, h, p, req, contract.Schedule, func(s grants.Schedule) region.ID { return s.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Schedule, error) {
			if _, err := r.Site(ctx, org, site); err != nil {
				return nil, err
			}
			return r.ListSchedules(ctx, org, site, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListSchedulesResponse{Schedules: found, NextPageToken: next}, nil
}

// UpdateSchedule implements PermissionsService.
func (h *Handler) UpdateSchedule(ctx context.Context, req *permissionsv1.UpdateScheduleRequest) (*permissionsv1.UpdateScheduleResponse, error) {
	p := h.parse()
	schedule := grants.Schedule{
		Org: p.org(req.GetOrgId()), ID: p.id("schedule_id", req.GetScheduleId(), region.Schedule), Name: req.GetName(),
		Spec: spec(req.GetSpec()), Calendars: p.calendars(req.GetSpec()),
	}
	e := h.edit(p, req)
	now, token, err := change(ctx, h, p, p.plan(schedule.Org, schedule.ID), func(ctx context.Context, tx grants.Tx) (grants.Schedule, grants.Token, error) {
		return h.Commands.UpdateSchedule(ctx, tx, schedule, e)
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.UpdateScheduleResponse{Schedule: contract.Schedule(now), Token: token}, nil
}

// DeleteSchedule implements PermissionsService.
func (h *Handler) DeleteSchedule(ctx context.Context, req *permissionsv1.DeleteScheduleRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("schedule_id", req.GetScheduleId(), region.Schedule)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.DeleteSchedule(ctx, tx, org, id, req.GetEtag())
	})
}

func (p *parser) calendars(in *permissionsv1.ScheduleSpec) []region.ID {
	return p.ids("spec.holiday_calendar_ids", in.GetHolidayCalendarIds(), region.Calendar)
}
