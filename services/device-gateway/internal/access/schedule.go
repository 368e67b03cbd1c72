package access

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
)

type schedule struct {
	id       policy.ScheduleID
	schedule *policy.Schedule
}

func scheduleOf(k factKey, m *permissionsv1.ScheduleState) (fact, error) {
	s, err := policy.NewSchedule(m.GetTimeZone(), specOf(m))
	return schedule{policy.ScheduleID(k.id), s}, err
}

func specOf(m *permissionsv1.ScheduleState) policy.ScheduleSpec {
	spec := policy.ScheduleSpec{Weekly: intervals(m.GetSpec().GetWeekly()), OnHolidays: intervals(m.GetSpec().GetOnHolidays())}
	for _, e := range m.GetSpec().GetExceptions() {
		spec.Exceptions = append(spec.Exceptions, policy.DatedException{
			Date: e.GetDate(), EveryYear: e.GetEveryYear(), Intervals: intervals(e.GetIntervals()),
		})
	}
	for _, h := range m.GetHolidays() {
		spec.Holidays = append(spec.Holidays, policy.Holiday{Date: h.GetDate(), EveryYear: h.GetEveryYear()})
	}
	return spec
}

func intervals(list []*permissionsv1.WeeklyInterval) []policy.WeeklyInterval {
	var out []policy.WeeklyInterval
	for _, w := range list {
		out = append(out, policy.WeeklyInterval{
			Weekday: int(w.GetWeekday()), StartMinute: int(w.GetStartMinute()), EndMinute: int(w.GetEndMinute()),
		})
	}
	return out
}

func (s schedule) add(o *organization)    { o.schedules[s.id] = s.schedule }
func (s schedule) remove(o *organization) { delete(o.schedules, s.id) }
