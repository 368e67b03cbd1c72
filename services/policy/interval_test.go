package policy_test

import (
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"pgregory.net/rapid"
)

// Every tenth minute of a week in which clocks change: the piece as the longest run in the
// set of readings, its instants found by looking at every minute.
func TestIntervalAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		week := rapid.SampledFrom(weeks).Draw(t, "week")
		zone, err := policy.ValidateTimeZone(week.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, _ := time.Parse("2006-01-02", week.from)
		spec := drawSpec(t, from.AddDate(0, 0, -1))
		schedule, err := policy.NewSchedule(week.zone, spec)
		if err != nil {
			t.Fatal(err)
		}
		const layout = "2006-01-02 15:04"
		inside := readings(spec, from.AddDate(0, 0, -50), from.AddDate(0, 0, 60))
		at := from.Add(time.Duration(rapid.IntRange(0, 8*24*60).Draw(t, "minute"))*time.Minute + 7*time.Second)
		start, end, ok := schedule.Interval(at)
		reading := at.In(zone).Format(layout)
		if ok != inside[reading] {
			t.Fatalf("%s: ok = %v", reading, ok)
		}
		if !ok {
			return
		}
		run := map[string]bool{reading: true}
		clock, _ := time.Parse(layout, reading)
		const limit = 31 * 24 * 60
		for i := 1; i <= limit && inside[clock.Add(-time.Duration(i)*time.Minute).Format(layout)]; i++ {
			run[clock.Add(-time.Duration(i)*time.Minute).Format(layout)] = true
		}
		for i := 1; i < limit && inside[clock.Add(time.Duration(i)*time.Minute).Format(layout)]; i++ {
			run[clock.Add(time.Duration(i)*time.Minute).Format(layout)] = true
		}
		var wantStart, wantEnd time.Time
		for m := from.AddDate(0, 0, -40); m.Before(from.AddDate(0, 0, 50)); m = m.Add(time.Minute) {
			if run[m.In(zone).Format(layout)] {
				if wantStart.IsZero() {
					wantStart = m
				}
				wantEnd = m.Add(time.Minute)
			}
		}
		if !start.Equal(wantStart) || !end.Equal(wantEnd) {
			t.Fatalf("%s in %s: [%s, %s), want [%s, %s)", reading, week.zone, start.UTC(), end.UTC(), wantStart, wantEnd)
		}
	})
}

func TestInterval(t *testing.T) {
	t.Parallel()
	night := policy.ScheduleSpec{Weekly: []policy.WeeklyInterval{
		{Weekday: 6, StartMinute: 150, EndMinute: 300}, // Saturday 02:30 to 05:00
		{Weekday: 7, StartMinute: 150, EndMinute: 300},
		{Weekday: 1, StartMinute: 480, EndMinute: 720}, // Monday 08:00 to 12:00, 12:00 to 18:00
		{Weekday: 1, StartMinute: 720, EndMinute: 1080},
		{Weekday: 2, StartMinute: 1320, EndMinute: 1440}, // Tuesday 22:00 to Wednesday 06:00, in two
		{Weekday: 3, EndMinute: 360},
	}}
	always := policy.ScheduleSpec{}
	for day := 1; day <= 7; day++ {
		always.Weekly = append(always.Weekly, policy.WeeklyInterval{Weekday: day, EndMinute: 1440})
	}
	for name, c := range map[string]struct {
		zone           string
		spec           policy.ScheduleSpec
		at, start, end string
	}{
		"touching":               {"Europe/Madrid", night, "2026-11-23T15:00:00+01:00", "2026-11-23T08:00:00+01:00", "2026-11-23T18:00:00+01:00"},
		"over midnight":          {"Europe/Madrid", night, "2026-11-25T01:00:00+01:00", "2026-11-24T22:00:00+01:00", "2026-11-25T06:00:00+01:00"},
		"start in the gap":       {"Europe/Madrid", night, "2026-03-29T04:00:00+02:00", "2026-03-29T03:00:00+02:00", "2026-03-29T05:00:00+02:00"},
		"before the pause":       {"Europe/Madrid", night, "2026-10-25T02:45:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T05:00:00+01:00"},
		"after the pause":        {"Europe/Madrid", night, "2026-10-25T02:45:00+01:00", "2026-10-25T02:30:00+02:00", "2026-10-25T05:00:00+01:00"},
		"outside":                {"Europe/Madrid", night, "2026-11-23T18:00:00+01:00", "", ""},
		"in the pause":           {"Europe/Madrid", night, "2026-10-25T02:15:00+01:00", "", ""},
		"always, cut at 31 days": {"UTC", always, "2026-11-23T10:30:30Z", "2026-10-23T10:30:00Z", "2026-12-24T10:30:00Z"},
	} {
		schedule, err := policy.NewSchedule(c.zone, c.spec)
		if err != nil {
			t.Fatal(err)
		}
		start, end, ok := schedule.Interval(instant(t, c.at))
		if ok != (c.start != "") || ok && !(start.Equal(instant(t, c.start)) && end.Equal(instant(t, c.end))) {
			t.Errorf("%s: [%s, %s), %v", name, start, end, ok)
		}
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
