package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"pgregory.net/rapid"
)

// readings is the simple model of a schedule: the set of all clock readings, as text,
// that it contains between two dates, one entry per minute.
func readings(spec policy.ScheduleSpec, first, last time.Time) map[string]bool {
	set := make(map[string]bool)
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) { // in UTC: a plain calendar
		for _, interval := range startingOn(spec, day) {
			for m := interval.StartMinute; m < interval.EndMinute; m++ {
				set[day.Add(time.Duration(m)*time.Minute).Format("2006-01-02 15:04")] = true
			}
		}
	}
	return set
}

func startingOn(spec policy.ScheduleSpec, day time.Time) []policy.WeeklyInterval {
	for _, e := range spec.Exceptions {
		if !e.EveryYear && e.Date == day.Format("2006-01-02") {
			return e.Intervals
		}
	}
	for _, e := range spec.Exceptions {
		if e.EveryYear && e.Date[5:] == day.Format("01-02") {
			return e.Intervals
		}
	}
	for _, h := range spec.Holidays {
		if h.Date == day.Format("2006-01-02") || h.EveryYear && h.Date[5:] == day.Format("01-02") {
			return spec.OnHolidays
		}
	}
	var all []policy.WeeklyInterval
	for _, interval := range spec.Weekly {
		if interval.Weekday == (int(day.Weekday())+6)%7+1 {
			all = append(all, interval)
		}
	}
	return all
}

// weeks are worth a look: the clock changes in the middle of each, some oddly.
var weeks = []struct{ zone, from string }{
	{"Europe/Madrid", "2026-03-26"},
	{"Europe/Madrid", "2026-10-22"},
	{"America/New_York", "2026-03-05"},
	{"America/New_York", "2026-10-29"},
	{"Australia/Lord_Howe", "2026-04-02"}, // half an hour
	{"Australia/Lord_Howe", "2026-10-01"},
	{"Asia/Beirut", "2026-03-26"}, // at midnight
	{"Asia/Beirut", "2026-10-22"},
	{"America/Havana", "2026-03-05"}, // midnight to one
	{"America/Havana", "2026-10-29"}, // one to midnight: midnight comes twice
	{"America/Sao_Paulo", "2018-11-01"},
	{"Antarctica/Troll", "2026-03-26"},  // two hours
	{"Africa/Casablanca", "2026-02-12"}, // the other way round, for Ramadan
	{"Pacific/Apia", "2011-12-27"},      // without a Friday
	{"America/Caracas", "2016-04-28"},   // a new offset for good
	{"Asia/Kathmandu", "2026-02-26"},
	{"UTC", "2028-02-26"}, // leap day
}

func drawInterval(t *rapid.T) policy.WeeklyInterval {
	start := rapid.IntRange(0, 1439).Draw(t, "start")
	return policy.WeeklyInterval{
		Weekday:     rapid.IntRange(1, 7).Draw(t, "weekday"),
		StartMinute: start,
		EndMinute:   start + rapid.IntRange(1, 1440).Draw(t, "length"),
	}
}

// drawSpec draws a valid spec whose exceptions fall into the ten days from `from`.
func drawSpec(t *rapid.T, from time.Time) policy.ScheduleSpec {
	var spec policy.ScheduleSpec
	for range rapid.IntRange(0, 6).Draw(t, "weekly") {
		spec.Weekly = append(spec.Weekly, drawInterval(t))
	}
	for _, offset := range rapid.SliceOfNDistinct(rapid.IntRange(0, 19), 0, 5, rapid.ID).Draw(t, "exceptions") {
		e := policy.DatedException{Date: from.AddDate(0, 0, offset/2).Format("2006-01-02"), EveryYear: offset%2 == 1}
		for range rapid.IntRange(0, 3).Draw(t, "intervals") {
			e.Intervals = append(e.Intervals, drawInterval(t))
		}
		spec.Exceptions = append(spec.Exceptions, e)
	}
	for range rapid.IntRange(0, 4).Draw(t, "holidays") {
		day := from.AddDate(0, 0, rapid.IntRange(0, 9).Draw(t, "day"))
		h := policy.Holiday{Date: day.Format("2006-01-02"), EveryYear: rapid.Bool().Draw(t, "every year")}
		if h.EveryYear && day.Format("01-02") != "02-29" {
			h.Date = day.AddDate(-3, 0, 0).Format("2006-01-02")
		}
		spec.Holidays = append(spec.Holidays, h)
	}
	for range rapid.IntRange(0, 3).Draw(t, "on holidays") {
		spec.OnHolidays = append(spec.OnHolidays, drawInterval(t))
	}
	return spec
}

// Every minute of a week in which clocks change, against the set of readings.
func TestScheduleAgainstModel(t *testing.T) {
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
		inside := readings(spec, from.AddDate(0, 0, -4), from.AddDate(0, 0, 12))
		second := time.Duration(rapid.Int64Range(0, int64(time.Minute)-1).Draw(t, "second"))
		for minute := range 8 * 24 * 60 {
			at := from.Add(time.Duration(minute)*time.Minute + second)
			reading := at.In(zone).Format("2006-01-02 15:04")
			if got, want := schedule.Contains(at), inside[reading]; got != want {
				t.Fatalf("%s (%s in %s): contains = %v, the set of readings says %v", at, reading, week.zone, got, want)
			}
		}
	})
}

// In a week without a change of clocks an interval is simply the time between two
// instants; another way to say it, which shares nothing with readings.
func TestScheduleBetweenInstants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"}).Draw(t, "zone")
		zone, err := policy.ValidateTimeZone(name)
		if err != nil {
			t.Fatal(err)
		}
		interval := drawInterval(t)
		schedule, err := policy.NewSchedule(name, policy.ScheduleSpec{Weekly: []policy.WeeklyInterval{interval}})
		if err != nil {
			t.Fatal(err)
		}
		// 2026-06-01 is a Monday, and June has no change of clocks.
		start := time.Date(2026, 6, 7+interval.Weekday, 0, interval.StartMinute, 0, 0, zone)
		end := start.Add(time.Duration(interval.EndMinute-interval.StartMinute) * time.Minute)
		for at, want := range map[time.Time]bool{
			start.Add(-1): false, start: true, end.Add(-1): true, end: false,
			start.AddDate(0, 0, 7): true, start.AddDate(0, 0, -7).Add(-1): false,
		} {
			if got := schedule.Contains(at.UTC()); got != want {
				t.Fatalf("%s: contains = %v, want %v (from %s to %s)", at, got, want, start, end)
			}
		}
	})
}

func ExampleNewSchedule() {
	schedule, err := policy.NewSchedule("Europe/Madrid", policy.ScheduleSpec{
		Weekly:     []policy.WeeklyInterval{{Weekday: 5, StartMinute: 22 * 60, EndMinute: 30 * 60}},
		Exceptions: []policy.DatedException{{Date: "2026-12-25"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(schedule.Contains(time.Date(2026, 12, 19, 3, 0, 0, 0, time.UTC))) // Saturday, 04:00 in Madrid
	fmt.Println(schedule.Contains(time.Date(2026, 12, 26, 3, 0, 0, 0, time.UTC))) // after the closed Friday
	// Output:
	// true
	// false
}
