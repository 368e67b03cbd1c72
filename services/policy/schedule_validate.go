package policy

import (
	"errors"
	"fmt"
	"time"
)

// ErrInvalidSchedule is what every error of ValidateSchedule wraps.
var ErrInvalidSchedule = errors.New("invalid schedule")

// Limits of a schedule; those of ScheduleSpec in cardea/permissions/v1.
const (
	maxWeekly     = 168
	maxExceptions = 500
	maxPerDate    = 24
	maxHolidays   = 2000 // of all the calendars together
)

// ValidateSchedule tells what is wrong with a spec, for use before it is stored. The
// error says which part; it wraps ErrInvalidSchedule.
func ValidateSchedule(spec ScheduleSpec) error {
	_, err := compile(spec)
	return err
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalidSchedule, fmt.Errorf(format, args...))
}

// compile checks the spec and arranges it for asking; the time zone is not set.
func compile(spec ScheduleSpec) (*Schedule, error) {
	if len(spec.Weekly) > maxWeekly {
		return nil, invalid("%d weekly intervals, at most %d", len(spec.Weekly), maxWeekly)
	}
	if len(spec.Exceptions) > maxExceptions {
		return nil, invalid("%d exceptions, at most %d", len(spec.Exceptions), maxExceptions)
	}
	s := &Schedule{}
	for i, w := range spec.Weekly {
		if w.Weekday < 1 || w.Weekday > 7 {
			return nil, invalid("weekly interval %d: weekday %d is not 1 (Monday) to 7 (Sunday)", i, w.Weekday)
		}
		p, err := newSpan(w)
		if err != nil {
			return nil, invalid("weekly interval %d: %w", i, err)
		}
		day := w.Weekday % 7 // ISO's Sunday is 7, Go's is 0
		s.weekly[day] = append(s.weekly[day], p)
	}
	for i, e := range spec.Exceptions {
		if err := s.except(e); err != nil {
			return nil, invalid("exception %d: %w", i, err)
		}
	}
	if err := s.observe(spec.Holidays, spec.OnHolidays); err != nil {
		return nil, err
	}
	return s, nil
}

// observe sets the holidays and what starts on them.
func (s *Schedule) observe(holidays []Holiday, on []WeeklyInterval) (err error) {
	if len(holidays) > maxHolidays {
		return invalid("%d holidays, at most %d", len(holidays), maxHolidays)
	}
	if len(on) > maxPerDate {
		return invalid("%d intervals on holidays, at most %d", len(on), maxPerDate)
	}
	if s.onHolidays, err = newSpans(on); err != nil {
		return invalid("on holidays: %w", err)
	}
	for i, h := range holidays {
		d, err := parseDate(h.Date)
		if err != nil {
			return invalid("holiday %d: %w", i, err)
		}
		if h.EveryYear {
			s.everyYear = add(s.everyYear, monthDay{d.month, d.day})
		} else {
			s.holidays = add(s.holidays, d)
		}
	}
	return nil
}

func add[K comparable](set map[K]struct{}, key K) map[K]struct{} {
	if set == nil {
		set = make(map[K]struct{})
	}
	set[key] = struct{}{}
	return set
}

func parseDate(text string) (date, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return date{}, fmt.Errorf("date %q is not a date like 2026-12-24", text)
	}
	return date{day.Year(), day.Month(), day.Day()}, nil
}

func newSpans(intervals []WeeklyInterval) ([]span, error) {
	spans := make([]span, 0, len(intervals))
	for i, w := range intervals {
		p, err := newSpan(w)
		if err != nil {
			return nil, fmt.Errorf("interval %d: %w", i, err)
		}
		spans = append(spans, p)
	}
	return spans, nil
}

func newSpan(w WeeklyInterval) (span, error) {
	if w.StartMinute < 0 || w.StartMinute >= minutesPerDay {
		return span{}, fmt.Errorf("start minute %d is not 0 to %d", w.StartMinute, minutesPerDay-1)
	}
	if w.EndMinute <= w.StartMinute || w.EndMinute > w.StartMinute+minutesPerDay {
		return span{}, fmt.Errorf("end minute %d is not more than start minute %d and at most %d later",
			w.EndMinute, w.StartMinute, minutesPerDay)
	}
	return span{w.StartMinute, w.EndMinute}, nil
}

// except adds an exception. Two for the same date contradict each other.
func (s *Schedule) except(e DatedException) error {
	d, err := parseDate(e.Date)
	if err != nil {
		return err
	}
	if len(e.Intervals) > maxPerDate {
		return fmt.Errorf("%d intervals on %s, at most %d", len(e.Intervals), e.Date, maxPerDate)
	}
	spans, err := newSpans(e.Intervals)
	if err != nil {
		return err
	}
	if e.EveryYear {
		return put(&s.monthly, monthDay{d.month, d.day}, spans, e.Date)
	}
	return put(&s.dated, d, spans, e.Date)
}

func put[K comparable](m *map[K][]span, key K, spans []span, text string) error {
	if *m == nil {
		*m = make(map[K][]span)
	}
	if _, twice := (*m)[key]; twice {
		return fmt.Errorf("a second exception for %s", text)
	}
	(*m)[key] = spans
	return nil
}
