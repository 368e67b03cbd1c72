package policy

import "time"

// ScheduleSpec is when a grant holds: a week that repeats, and dates that differ. It
// mirrors ScheduleSpec in cardea/permissions/v1.
type ScheduleSpec struct {
	// Weekly is the week, at most 168 pieces; they may overlap. Empty: never.
	Weekly []WeeklyInterval
	// Exceptions are dates that differ, at most 500.
	Exceptions []DatedException
	// Holidays are the dates of the holiday calendars that the schedule observes, at most
	// 2,000. A date may be among them more than once: several calendars may have it.
	Holidays []Holiday
	// OnHolidays hold instead of the weekly intervals on a holiday, at most 24; empty: closed.
	// Weekday is ignored. An exception for the date goes before.
	OnHolidays []WeeklyInterval
}

// Holiday is a date of a holiday calendar.
type Holiday struct {
	// Date is an ISO 8601 date, e.g. `2026-12-25`.
	Date string
	// EveryYear: the same month and day of every year (29 February: leap years only).
	EveryYear bool
}

// WeeklyInterval is a piece of every week, in the site's local time.
type WeeklyInterval struct {
	// Weekday is the day on which it starts: 1 = Monday ... 7 = Sunday (ISO 8601).
	Weekday int
	// StartMinute is minutes after local midnight, 0 to 1439; included.
	StartMinute int
	// EndMinute is minutes after the local midnight with which the start day begins; not
	// included. More than StartMinute, at most StartMinute + 1440; beyond 1440 it runs
	// into the next day.
	EndMinute int
}

// DatedException replaces the weekly intervals that start on one date.
type DatedException struct {
	// Date is an ISO 8601 date, e.g. `2026-12-24`.
	Date string
	// EveryYear: the same month and day of every year (29 February: leap years only).
	// An exception for one date goes before one for every year.
	EveryYear bool
	// Intervals hold instead on that date; empty: closed. Weekday is ignored.
	Intervals []WeeklyInterval
}

// Schedule is a valid ScheduleSpec in a time zone, ready to be asked. Immutable.
type Schedule struct {
	zone    *time.Location
	weekly  [7][]span // by time.Weekday: Sunday first
	dated   map[date][]span
	monthly map[monthDay][]span // exceptions of every year
	// holidays are dates on which the intervals of onHolidays start; everyYear those of
	// every year.
	holidays   map[date]struct{}
	everyYear  map[monthDay]struct{}
	onHolidays []span
}

// span is an interval of one local date: minutes after its midnight, [start, end).
type span struct{ start, end int }

type date struct {
	year  int
	month time.Month
	day   int
}

type monthDay struct {
	month time.Month
	day   int
}

// minutesPerDay is what a clock face shows, also on days that last longer or shorter.
const minutesPerDay = 24 * 60

// NewSchedule makes a schedule in the time zone (an IANA name). It fails as
// ValidateTimeZone and ValidateSchedule do. It keeps nothing of spec.
func NewSchedule(timeZone string, spec ScheduleSpec) (*Schedule, error) {
	zone, err := ValidateTimeZone(timeZone)
	if err != nil {
		return nil, err
	}
	s, err := compile(spec)
	if err != nil {
		return nil, err
	}
	s.zone = zone
	return s, nil
}

// Contains tells whether the schedule holds at an instant.
//
// It looks at what the clock on the site's wall shows at that instant, a date and a
// minute, and asks whether that reading is in an interval that started on that date,
// or in one that started the day before and runs past midnight. Readings, not
// instants, are what an interval is made of; so a reading that daylight saving skips
// is never asked about, and one that it repeats gets the same answer twice.
func (s *Schedule) Contains(at time.Time) bool {
	local := at.In(s.zone)
	year, month, day := local.Date()
	minute := local.Hour()*60 + local.Minute() // seconds never matter: intervals start and end on whole minutes
	today := date{year, month, day}
	return within(s.startingOn(today), minute) ||
		within(s.startingOn(today.before()), minute+minutesPerDay)
}

// startingOn returns the intervals that start on a local date: those of an exception for
// the date, of one for every year, of a holiday, of the week.
func (s *Schedule) startingOn(d date) []span {
	if spans, ok := s.dated[d]; ok {
		return spans
	}
	if spans, ok := s.monthly[monthDay{d.month, d.day}]; ok {
		return spans
	}
	if s.holiday(d) {
		return s.onHolidays
	}
	return s.weekly[d.weekday()]
}

func (s *Schedule) holiday(d date) bool {
	if _, ok := s.holidays[d]; ok {
		return true
	}
	_, ok := s.everyYear[monthDay{d.month, d.day}]
	return ok
}

func within(spans []span, minute int) bool {
	for _, p := range spans {
		if p.start <= minute && minute < p.end {
			return true
		}
	}
	return false
}

// before is the previous date of the calendar. Dates are reckoned in UTC, where every
// day has 24 hours, so no time zone can disturb it.
func (d date) before() date {
	year, month, day := time.Date(d.year, d.month, d.day-1, 0, 0, 0, 0, time.UTC).Date()
	return date{year, month, day}
}

func (d date) weekday() time.Weekday {
	return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC).Weekday()
}
