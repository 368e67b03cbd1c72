package rpc

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
)

// spec is a schedule's spec as policy takes it; the dates of its calendars are looked up later.
func spec(in *permissionsv1.ScheduleSpec) policy.ScheduleSpec {
	out := policy.ScheduleSpec{Weekly: intervals(in.GetWeekly()), OnHolidays: intervals(in.GetOnHolidays())}
	for _, e := range in.GetExceptions() {
		out.Exceptions = append(out.Exceptions, policy.DatedException{
			Date: e.GetDate(), EveryYear: e.GetEveryYear(), Intervals: intervals(e.GetIntervals()),
		})
	}
	return out
}

func intervals(in []*permissionsv1.WeeklyInterval) []policy.WeeklyInterval {
	var out []policy.WeeklyInterval
	for _, w := range in {
		out = append(out, policy.WeeklyInterval{
			Weekday: int(w.GetWeekday()), StartMinute: int(w.GetStartMinute()), EndMinute: int(w.GetEndMinute()),
		})
	}
	return out
}
