package policy

import (
	"slices"
	"time"
)

// Window is a piece of time: from From, included, to To, not included.
type Window struct{ From, To time.Time }

// Windows are the moments of [from, to) at which the schedule holds, as pieces in rising order that neither overlap nor touch: a
// moment in [from, to) is in one of them exactly when Contains says so. They are for whoever has no time zones.
//
// Between two changes of the zone's clock a reading is an instant, so each such stretch is worked out by itself.
func (s *Schedule) Windows(from, to time.Time) []Window {
	var all []Window
	for from.Before(to) {
		local := from.In(s.zone)
		_, offset := local.Zone()
		until := to
		if _, changes := local.ZoneBounds(); !changes.IsZero() && changes.Before(to) {
			until = changes
		}
		all = s.stretch(all, from, until, time.Duration(offset)*time.Second)
		from = until
	}
	return all
}

// stretch appends the windows of [from, to), in which the clock differs from UTC by offset.
func (s *Schedule) stretch(all []Window, from, to time.Time, offset time.Duration) []Window {
	var spans []span // in readings
	first, last := dayOf(from, offset), dayOf(to, offset)
	for midnight := first - minutesPerDay; midnight <= last; midnight += minutesPerDay { // the day before may run into the first
		for _, p := range s.startingOn(dateOf(midnight)) {
			spans = append(spans, span{midnight + p.start, midnight + p.end})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	for _, p := range spans {
		w := Window{From: shownAt(p.start, offset), To: shownAt(p.end, offset)}
		if w.From.Before(from) {
			w.From = from
		}
		if w.To.After(to) {
			w.To = to
		}
		all = join(all, w)
	}
	return all
}

// join appends a window that begins no earlier than those before it in its stretch.
func join(all []Window, w Window) []Window {
	if !w.From.Before(w.To) {
		return all
	}
	if n := len(all); n > 0 && !w.From.After(all[n-1].To) {
		if w.To.After(all[n-1].To) {
			all[n-1].To = w.To
		}
		return all
	}
	return append(all, w)
}

// dayOf is the reading of the midnight with which the day of an instant begins.
func dayOf(at time.Time, offset time.Duration) int {
	reading := readingAt(at.UTC().Add(offset))
	return reading - mod(reading, minutesPerDay)
}

// shownAt is the instant at which a clock that differs from UTC by offset shows a reading.
func shownAt(reading int, offset time.Duration) time.Time {
	return time.Unix(int64(reading)*60, 0).UTC().Add(-offset)
}
