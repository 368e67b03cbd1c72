package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cardea-mesh/cardea/services/policy"
)

type schedFile struct {
	TimeZone   string          `yaml:"time_zone"`
	Weekly     []string        `yaml:"weekly"`
	Exceptions []exceptionFile `yaml:"exceptions"`
	Calendars  []string        `yaml:"calendars"`
	OnHolidays []string        `yaml:"on_holidays"`
}

type exceptionFile struct {
	Date      string   `yaml:"date"`
	EveryYear bool     `yaml:"every_year"`
	Intervals []string `yaml:"intervals"`
}

type holidayFile struct {
	Date      string `yaml:"date"`
	EveryYear bool   `yaml:"every_year"`
}

func (s schedFile) schedule(calendars map[string][]policy.Holiday) (Schedule, error) {
	made := Schedule{TimeZone: s.TimeZone, Calendars: s.Calendars}
	for _, name := range s.Calendars {
		days, ok := calendars[name]
		if !ok {
			return made, fmt.Errorf("there is no calendar %q", name)
		}
		made.Spec.Holidays = append(made.Spec.Holidays, days...)
	}
	for _, text := range s.Weekly {
		intervals, err := weekly(text)
		if err != nil {
			return made, err
		}
		made.Spec.Weekly = append(made.Spec.Weekly, intervals...)
	}
	for _, e := range s.Exceptions {
		intervals, err := hoursOf(e.Intervals)
		if err != nil {
			return made, err
		}
		made.Spec.Exceptions = append(made.Spec.Exceptions, policy.DatedException{Date: e.Date, EveryYear: e.EveryYear, Intervals: intervals})
	}
	var err error
	made.Spec.OnHolidays, err = hoursOf(s.OnHolidays)
	return made, err
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// weekly reads `mon-fri 08:00-18:00` or `sat 22:00-30:00`.
func weekly(text string) ([]policy.WeeklyInterval, error) {
	days, clock, found := strings.Cut(text, " ")
	interval, err := hours(clock)
	if !found || err != nil {
		return nil, fmt.Errorf("%q is not like `mon-fri 08:00-18:00`", text)
	}
	first, last, isRange := strings.Cut(days, "-")
	if !isRange {
		last = first
	}
	from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
	if from < 0 || to < from {
		return nil, fmt.Errorf("%q: days are mon tue wed thu fri sat sun, a range goes forward", text)
	}
	var all []policy.WeeklyInterval
	for day := from; day <= to; day++ {
		interval.Weekday = day + 1
		all = append(all, interval)
	}
	return all, nil
}

// hoursOf reads hours of no weekday in particular.
func hoursOf(texts []string) ([]policy.WeeklyInterval, error) {
	var all []policy.WeeklyInterval
	for _, text := range texts {
		interval, err := hours(text)
		if err != nil {
			return nil, err
		}
		interval.Weekday = 1
		all = append(all, interval)
	}
	return all, nil
}

// hours reads `08:00-18:00`; hours beyond 24 are on the next day: `22:00-30:00`.
func hours(text string) (policy.WeeklyInterval, error) {
	var h1, m1, h2, m2 int
	if n, err := fmt.Sscanf(text, "%d:%d-%d:%d", &h1, &m1, &h2, &m2); n != 4 || err != nil {
		return policy.WeeklyInterval{}, fmt.Errorf("%q is not like `08:00-18:00`", text)
	}
	return policy.WeeklyInterval{StartMinute: h1*60 + m1, EndMinute: h2*60 + m2}, nil
}
