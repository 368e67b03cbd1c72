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

// CreateHolidayCalendar implements PermissionsService.
func (h *Handler) CreateHolidayCalendar(ctx context.Context, req *permissionsv1.CreateHolidayCalendarRequest) (*permissionsv1.CreateHolidayCalendarResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	calendar := grants.Calendar{Org: p.org(req.GetOrgId()), Name: req.GetName(), Holidays: holidays(req.GetHolidays())}
	if p.err != nil {
		return nil, p.err
	}
	out := &permissionsv1.CreateHolidayCalendarResponse{}
	err := h.create(ctx, permissionsv1connect.PermissionsServiceCreateHolidayCalendarProcedure, home, calendar.Org, req.GetIdempotencyKey(), req, out,
		func(ctx context.Context, tx grants.Tx) (region.ID, error) {
			made, err := h.Commands.CreateCalendar(ctx, tx, home, calendar)
			out.CalendarId, out.Token = string(made.ID), wire(made.Token)
			return made.ID, err
		})
	return out, err
}

// GetHolidayCalendar implements PermissionsService.
func (h *Handler) GetHolidayCalendar(ctx context.Context, req *permissionsv1.GetHolidayCalendarRequest) (*permissionsv1.HolidayCalendar, error) {
	p := h.parse()
	id := p.id("calendar_id", req.GetCalendarId(), region.Calendar)
	return get(ctx, h, p, req, contract.HolidayCalendar, func(ctx context.Context, r grants.Reader, org region.ID) (grants.Calendar, error) {
		return r.Calendar(ctx, org, id)
	})
}

// ListHolidayCalendars implements PermissionsService.
func (h *Handler) ListHolidayCalendars(ctx context.Context, req *permissionsv1.ListHolidayCalendarsRequest) (*permissionsv1.ListHolidayCalendarsResponse, error) {
	p := h.parse()
	home := p.region("region", req.GetRegion())
	found, next, err := list(ctx, h, p, req, contract.HolidayCalendar, func(k grants.Calendar) region.ID { return k.ID },
		func(ctx context.Context, r grants.Reader, org region.ID, after string, limit int) ([]grants.Calendar, error) {
			return r.ListCalendars(ctx, home, org, after, limit)
		})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.ListHolidayCalendarsResponse{Calendars: found, NextPageToken: next}, nil
}

// UpdateHolidayCalendar implements PermissionsService.
func (h *Handler) UpdateHolidayCalendar(ctx context.Context, req *permissionsv1.UpdateHolidayCalendarRequest) (*permissionsv1.UpdateHolidayCalendarResponse, error) {
	p := h.parse()
	calendar := grants.Calendar{
		Org: p.org(req.GetOrgId()), ID: p.id("calendar_id", req.GetCalendarId(), region.Calendar), Name: req.GetName(),
		Holidays: holidays(req.GetHolidays()),
	}
	e := h.edit(p, req)
	now, token, err := change(ctx, h, p, p.plan(calendar.Org, calendar.ID), func(ctx context.Context, tx grants.Tx) (grants.Calendar, grants.Token, error) {
		return h.Commands.UpdateCalendar(ctx, tx, calendar, e)
	})
	if err != nil {
		return nil, err
	}
	return &permissionsv1.UpdateHolidayCalendarResponse{Calendar: contract.HolidayCalendar(now), Token: token}, nil
}

// DeleteHolidayCalendar implements PermissionsService.
func (h *Handler) DeleteHolidayCalendar(ctx context.Context, req *permissionsv1.DeleteHolidayCalendarRequest) (*permissionsv1.DeleteResponse, error) {
	p := h.parse()
	org, id := p.org(req.GetOrgId()), p.id("calendar_id", req.GetCalendarId(), region.Calendar)
	return h.remove(ctx, p, org, id, func(ctx context.Context, tx grants.Tx) (grants.Token, error) {
		return h.Commands.DeleteCalendar(ctx, tx, org, id, req.GetEtag())
	})
}

func holidays(in []*permissionsv1.Holiday) []grants.NamedHoliday {
	var out []grants.NamedHoliday
	for _, h := range in {
		out = append(out, grants.NamedHoliday{Holiday: policy.Holiday{Date: h.GetDate(), EveryYear: h.GetEveryYear()}, Name: h.GetName()})
	}
	return out
}
