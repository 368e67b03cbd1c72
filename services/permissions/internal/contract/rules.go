package contract

import (
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/types/known/durationpb"
)

// DoorRules are a door's rules; nil when they ask nothing.
func DoorRules(r grants.DoorRules) *permissionsv1.DoorRules {
	if r == (grants.DoorRules{}) {
		return nil
	}
	out := &permissionsv1.DoorRules{
		AutoUnlockScheduleId: string(r.AutoUnlock), TwoPersonWindow: length(r.TwoPersonWindow),
		OnStateLoss: permissionsv1.StateLoss(r.OnStateLoss), HeldOpenAfter: length(r.HeldOpenAfter),
	}
	if f := r.FirstPerson; f != nil {
		out.FirstPerson = &permissionsv1.FirstPersonRule{
			SubjectId: string(f.Subject), ScheduleId: string(f.Schedule), Grace: length(f.Grace), HoldOthers: f.HoldOthers,
		}
	}
	if f := r.SecondFactor; f != nil {
		out.SecondFactor = &permissionsv1.SecondFactorRule{ScheduleId: string(f.Schedule)}
	}
	if o := r.Offline; o != nil {
		out.Offline = &permissionsv1.OfflineRule{
			Budget: length(o.Budget), After: permissionsv1.OfflineAfter(o.After), EmergencySubjectId: string(o.Emergency),
		}
	}
	return out
}

// AntiPassback is the rule at a zone's border; nil for none.
func AntiPassback(a *policy.AntiPassback) *permissionsv1.AntiPassback {
	if a == nil {
		return nil
	}
	return &permissionsv1.AntiPassback{Mode: permissionsv1.AntiPassbackMode(a.Mode), ResetAfter: length(a.ResetAfter)}
}

// Spec is when a schedule holds. The dates of its calendars are not in it, but see Holidays.
func Spec(s grants.Schedule) *permissionsv1.ScheduleSpec {
	out := &permissionsv1.ScheduleSpec{
		Weekly: intervals(s.Spec.Weekly), OnHolidays: intervals(s.Spec.OnHolidays), HolidayCalendarIds: Texts(s.Calendars),
	}
	for _, e := range s.Spec.Exceptions {
		out.Exceptions = append(out.Exceptions, &permissionsv1.DatedException{
			Date: e.Date, EveryYear: e.EveryYear, Intervals: intervals(e.Intervals),
		})
	}
	return out
}

// Holidays are the dates of the calendars that a schedule observes.
func Holidays(s grants.Schedule) []*permissionsv1.Holiday {
	var out []*permissionsv1.Holiday
	for _, h := range s.Spec.Holidays {
		out = append(out, &permissionsv1.Holiday{Date: h.Date, EveryYear: h.EveryYear})
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

// length is unset for none.
func length(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// Texts are ids as they travel.
func Texts(ids []region.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}
