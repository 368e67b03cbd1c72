package projection

import (
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/policy"
)

// timetables replaces calendars and schedules, and makes anew every schedule that observes a calendar that changed.
func (m *maker) timetables() {
	if len(m.rows.Calendars) == 0 && len(m.rows.Schedules) == 0 {
		return
	}
	anew := map[policy.ScheduleID]bool{}
	for _, r := range m.rows.Calendars {
		for _, id := range m.observedBy.of(calendarID(r.ID)) {
			anew[id] = true
		}
	}
	m.calendars = replace(m, m.calendars, scheduleBytes, m.rows.Calendars, func(r CalendarRow) (calendarID, []policy.Holiday, grants.Validity) {
		return calendarID(r.ID), r.Holidays, r.Validity
	})
	m.observe()
	m.schedules = replace(m, m.schedules, scheduleBytes, m.rows.Schedules, func(r ScheduleRow) (policy.ScheduleID, *schedule, grants.Validity) {
		anew[r.ID] = true
		return r.ID, &schedule{row: r}, r.Validity
	})
	e := m.schedules.edit()
	for id := range anew {
		if s, ok := e.get(id); ok {
			e.set(id, m.compile(s.row))
		}
	}
	m.schedules = e.done()
}

// observe notes which schedules observe which calendars from now on.
func (m *maker) observe() {
	observed := m.observedBy.edit()
	for _, r := range m.rows.Schedules {
		if before, ok := m.schedules.get(r.ID); ok {
			for _, calendar := range before.row.Calendars {
				observed.unlink(calendarID(calendar), r.ID)
			}
		}
	}
	for _, r := range m.rows.Schedules {
		if !m.over(r.Validity) {
			for _, calendar := range r.Calendars {
				observed.link(calendarID(calendar), r.ID)
			}
		}
	}
	m.observedBy = observed.done()
	m.bytes += observed.bytes
}

// compile makes a schedule with the holidays of its calendars. One that cannot be made stays without: grants that name it
// then do not hold.
func (m *maker) compile(row ScheduleRow) *schedule {
	spec := row.Spec
	for _, calendar := range row.Calendars {
		holidays, _ := m.calendars.get(calendarID(calendar))
		spec.Holidays = append(spec.Holidays[:len(spec.Holidays):len(spec.Holidays)], holidays...)
	}
	made, err := policy.NewSchedule(row.TimeZone, spec)
	if err != nil {
		made = nil
	}
	return &schedule{row: row, made: made}
}
