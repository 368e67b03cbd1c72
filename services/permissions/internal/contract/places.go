package contract

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Site is a site.
func Site(s grants.Site) *permissionsv1.Site {
	return &permissionsv1.Site{Id: string(s.ID), OrgId: string(s.Org), Name: s.Name, TimeZone: s.TimeZone, Etag: grants.Etag(s.Version)}
}

// Door is a door.
func Door(d grants.Door) *permissionsv1.Door {
	return &permissionsv1.Door{
		Id: string(d.ID), OrgId: string(d.Org), SiteId: string(d.Site), Name: d.Name, UnlockFor: durationpb.New(d.UnlockFor),
		Rules: DoorRules(d.Rules), ZoneIds: Texts(d.Zones), Etag: grants.Etag(d.Version),
	}
}

// Zone is a zone.
func Zone(z grants.Zone) *permissionsv1.Zone {
	return &permissionsv1.Zone{
		Id: string(z.ID), OrgId: string(z.Org), Name: z.Name, DoorIds: Texts(z.Doors), ZoneIds: Texts(z.Zones),
		AntiPassback: AntiPassback(z.AntiPassback), Etag: grants.Etag(z.Version),
	}
}

// Schedule is a schedule.
func Schedule(s grants.Schedule) *permissionsv1.Schedule {
	return &permissionsv1.Schedule{
		Id: string(s.ID), OrgId: string(s.Org), SiteId: string(s.Site), Name: s.Name, Spec: Spec(s), TimeZone: s.TimeZone,
		Etag: grants.Etag(s.Version),
	}
}

// HolidayCalendar is a calendar.
func HolidayCalendar(k grants.Calendar) *permissionsv1.HolidayCalendar {
	out := &permissionsv1.HolidayCalendar{Id: string(k.ID), OrgId: string(k.Org), Name: k.Name, Etag: grants.Etag(k.Version)}
	for _, h := range k.Holidays {
		out.Holidays = append(out.Holidays, &permissionsv1.Holiday{Date: h.Date, EveryYear: h.EveryYear, Name: h.Name})
	}
	return out
}

// Lockdown is a lockdown.
func Lockdown(l grants.Lockdown) *permissionsv1.Lockdown {
	return &permissionsv1.Lockdown{
		Id: string(l.ID), OrgId: string(l.Org), TargetId: string(l.Target), Rank: int32(l.Rank), //nolint:gosec // 1 to 10
		StartsAt: Stamp(l.Validity.From), EndsAt: Stamp(l.Validity.To), Note: l.Note, Ended: l.Ended, Etag: grants.Etag(l.Version),
	}
}
