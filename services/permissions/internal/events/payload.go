package events

import (
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func siteCreated(s grants.Site) *permissionsv1.SiteCreated {
	return &permissionsv1.SiteCreated{SiteId: string(s.ID), Name: s.Name, TimeZone: s.TimeZone}
}

// door is a door in the form of the contracts.
func door(d grants.Door) *permissionsv1.Door {
	return &permissionsv1.Door{
		Id: string(d.ID), OrgId: string(d.Org), SiteId: string(d.Site), Name: d.Name, UnlockFor: durationpb.New(d.UnlockFor),
	}
}

func zoneCreated(z grants.Zone) *permissionsv1.ZoneCreated {
	return &permissionsv1.ZoneCreated{ZoneId: string(z.ID), Name: z.Name, DoorIds: texts(z.Doors)}
}

func scheduleCreated(s grants.Schedule) *permissionsv1.ScheduleCreated {
	return &permissionsv1.ScheduleCreated{ScheduleId: string(s.ID), SiteId: string(s.Site), Name: s.Name, Spec: spec(s.Spec)}
}

// spec is a schedule's spec in the form of the contracts.
func spec(in policy.ScheduleSpec) *permissionsv1.ScheduleSpec {
	out := &permissionsv1.ScheduleSpec{Weekly: intervals(in.Weekly)}
	for _, e := range in.Exceptions {
		out.Exceptions = append(out.Exceptions, &permissionsv1.DatedException{
			Date: e.Date, EveryYear: e.EveryYear, Intervals: intervals(e.Intervals),
		})
	}
	return out
}

func intervals(all []policy.WeeklyInterval) []*permissionsv1.WeeklyInterval {
	var out []*permissionsv1.WeeklyInterval
	for _, w := range all {
		out = append(out, &permissionsv1.WeeklyInterval{
			Weekday: int32(w.Weekday), StartMinute: int32(w.StartMinute), EndMinute: int32(w.EndMinute), //nolint:gosec // checked: under 2,880
		})
	}
	return out
}

// stamp is unset for a time that is not stated.
func stamp(t time.Time) *timestamppb.Timestamp { return contract.Stamp(t) }

func texts(ids []region.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}
