package policy

import "time"

// maxPiece is how far Interval follows a piece either way. Only a schedule that hardly
// ever pauses has longer ones.
const maxPiece = 31 * minutesPerDay

// Interval returns the piece of the schedule that contains an instant: it is in [start,
// end). ok is Contains(at); without it start and end are zero.
//
// A piece is what is left when intervals that overlap or touch are taken as one: as long a run
// of clock readings as possible, all inside the schedule, around the one at `at`, on the
// calendar, where every day has 24 hours. Its start is the first instant that shows a
// reading of the run, or a later one where daylight saving skips those; its end is the
// last instant before which such a reading is shown. So a run in an hour that comes twice is
// one piece with a pause in it: who arrived before the pause need not arrive again.
//
// A run is followed 31 days of readings either way; one that goes on is cut there.
func (s *Schedule) Interval(at time.Time) (start, end time.Time, ok bool) {
	reading := readingAt(at.In(s.zone))
	first, last, ok := s.around(reading)
	if !ok {
		return time.Time{}, time.Time{}, false
	}
	for grows := true; grows && first > reading-maxPiece; {
		var lower int
		if lower, _, grows = s.around(first - 1); grows {
			first = lower
		}
	}
	for grows := true; grows && last < reading+maxPiece; {
		var upper int
		if _, upper, grows = s.around(last); grows {
			last = upper
		}
	}
	first, last = max(first, reading-maxPiece), min(last, reading+maxPiece)
	return firstAt(s.zone, first), lastBefore(s.zone, last), true
}

// A reading is a date and a minute of a clock, as minutes since 1970-01-01 00:00 on a
// calendar whose days all have 24 hours.

func readingAt(local time.Time) int {
	year, month, day := local.Date()
	return int(time.Date(year, month, day, local.Hour(), local.Minute(), 0, 0, time.UTC).Unix() / 60)
}

// around returns the readings [first, last) from the earliest start to the latest end of
// the intervals that contain a reading.
func (s *Schedule) around(reading int) (first, last int, ok bool) {
	midnight := reading - mod(reading, minutesPerDay)
	first, last = reading, reading
	for _, start := range [2]int{midnight, midnight - minutesPerDay} {
		for _, p := range s.startingOn(dateOf(start)) {
			if start+p.start <= reading && reading < start+p.end {
				first, last, ok = min(first, start+p.start), max(last, start+p.end), true
			}
		}
	}
	return first, last, ok
}

func mod(a, n int) int { return (a%n + n) % n }

func dateOf(reading int) date {
	year, month, day := time.Unix(int64(reading)*60, 0).UTC().Date()
	return date{year, month, day}
}

// searchAround is more than any clock differs from UTC, so that a reading is shown within
// it, if at all.
const searchAround = 26 * time.Hour

// firstAt is the first instant at which the clock shows the reading or a later one.
func firstAt(zone *time.Location, reading int) time.Time {
	wall := time.Unix(int64(reading)*60, 0)
	for t := wall.Add(-searchAround).In(zone); ; {
		_, offset := t.Zone()
		_, changes := t.ZoneBounds()
		shown := wall.Add(-time.Duration(offset) * time.Second)
		if shown.Before(t) {
			return t // the change of clocks went past it
		}
		if changes.IsZero() || shown.Before(changes) {
			return shown.In(zone)
		}
		t = changes
	}
}

// lastBefore is the last instant before which the clock shows an earlier reading.
func lastBefore(zone *time.Location, reading int) time.Time {
	wall := time.Unix(int64(reading)*60, 0)
	for end := wall.Add(searchAround).In(zone); ; {
		last := end.Add(-1)
		_, offset := last.Zone()
		since, _ := last.ZoneBounds()
		shown := wall.Add(-time.Duration(offset) * time.Second)
		if !shown.Before(end) {
			return end // the change of clocks went past it
		}
		if since.IsZero() || shown.After(since) {
			return shown.In(zone)
		}
		end = since
	}
}
