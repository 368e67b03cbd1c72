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
	return s, nil
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
	day, err := time.Parse(time.DateOnly, e.Date)
	if err != nil {
		return fmt.Errorf("date %q is not a date like 2026-12-24", e.Date)
	}
	if len(e.Intervals) > maxPerDate {
		return fmt.Errorf("%d intervals on %s, at most %d", len(e.Intervals), e.Date, maxPerDate)
	}
	spans := make([]span, 0, len(e.Intervals))
	for i, w := range e.Intervals {
		p, err := newSpan(w)
		if err != nil {
			return fmt.Errorf("interval %d: %w", i, err)
		}
		spans = append(spans, p)
	}
	d := date{day.Year(), day.Month(), day.Day()}
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
