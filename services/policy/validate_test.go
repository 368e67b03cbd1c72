package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

func TestValidateScheduleRefuses(t *testing.T) {
	t.Parallel()
	week := func(w policy.WeeklyInterval) policy.ScheduleSpec {
		return policy.ScheduleSpec{Weekly: []policy.WeeklyInterval{w}}
	}
	except := func(e ...policy.DatedException) policy.ScheduleSpec { return policy.ScheduleSpec{Exceptions: e} }
	var tooMany []policy.DatedException
	for i := range 501 {
		day := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		tooMany = append(tooMany, policy.DatedException{Date: day.Format("2006-01-02")})
	}
	holidays := func(h ...policy.Holiday) policy.ScheduleSpec { return policy.ScheduleSpec{Holidays: h} }
	for says, spec := range map[string]policy.ScheduleSpec{
		"2001 holidays":                                  {Holidays: make([]policy.Holiday, 2001)},
		"25 intervals on holidays":                       {OnHolidays: make([]policy.WeeklyInterval, 25)},
		"on holidays: interval 1: end ":                  {OnHolidays: []policy.WeeklyInterval{{EndMinute: 1}, {StartMinute: 2, EndMinute: 1}}},
		`holiday 0: date ""`:                             holidays(policy.Holiday{}),
		`holiday 1: date "2027-02-29"`:                   holidays(policy.Holiday{Date: "2028-02-29"}, policy.Holiday{Date: "2027-02-29", EveryYear: true}),
		"invalid schedule: weekly interval 0: weekday 0": {Weekly: []policy.WeeklyInterval{{Weekday: 0, EndMinute: 1}}},
		"weekday 8":                                      week(policy.WeeklyInterval{Weekday: 8, EndMinute: 1}),
		"start minute -1":                                week(policy.WeeklyInterval{Weekday: 1, StartMinute: -1, EndMinute: 1}),
		"start minute 1440":                              week(policy.WeeklyInterval{Weekday: 1, StartMinute: 1440, EndMinute: 1441}),
		"end minute 480":                                 week(policy.WeeklyInterval{Weekday: 1, StartMinute: 480, EndMinute: 480}),
		"end minute 1921":                                week(policy.WeeklyInterval{Weekday: 1, StartMinute: 480, EndMinute: 1921}),
		"169 weekly":                                     {Weekly: make([]policy.WeeklyInterval, 169)},
		"501 exceptions":                                 {Exceptions: tooMany},
		"25 intervals":                                   except(policy.DatedException{Date: "2026-12-24", Intervals: make([]policy.WeeklyInterval, 25)}),
		"exception 0: inter":                             except(policy.DatedException{Date: "2026-12-24", Intervals: []policy.WeeklyInterval{{StartMinute: 2, EndMinute: 1}}}),
		`date ""`:                                        except(policy.DatedException{}),
		`date "24.12.2026"`:                              except(policy.DatedException{Date: "24.12.2026"}),
		`date "2026-2-1"`:                                except(policy.DatedException{Date: "2026-2-1"}),
		`date "2026-13-01"`:                              except(policy.DatedException{Date: "2026-13-01"}),
		`date "2026-02-29"`:                              except(policy.DatedException{Date: "2026-02-29"}),
		`date "2027-02-29"`:                              except(policy.DatedException{Date: "2027-02-29", EveryYear: true}),
		"second exception":                               except(policy.DatedException{Date: "2026-12-24"}, policy.DatedException{Date: "2026-12-24"}),
		"for 2025-12-24":                                 except(policy.DatedException{Date: "2026-12-24", EveryYear: true}, policy.DatedException{Date: "2025-12-24", EveryYear: true}),
		"exception 1: date \"s":                          except(policy.DatedException{Date: "2026-12-24"}, policy.DatedException{Date: "soon"}),
	} {
		err := policy.ValidateSchedule(spec)
		if !errors.Is(err, policy.ErrInvalidSchedule) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want ErrInvalidSchedule with %q", err, says)
		}
		if _, err := policy.NewSchedule("UTC", spec); !errors.Is(err, policy.ErrInvalidSchedule) {
			t.Errorf("NewSchedule took what %q refuses: %v", says, err)
		}
	}
}

func TestValidateScheduleTakes(t *testing.T) {
	t.Parallel()
	var all []policy.Holiday
	for i := range 2000 {
		all = append(all, policy.Holiday{Date: time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC).Format("2006-01-02")})
	}
	for name, spec := range map[string]policy.ScheduleSpec{
		"never":               {},
		"many holidays":       {Holidays: all},
		"a holiday twice":     {Holidays: []policy.Holiday{{Date: "2026-12-25"}, {Date: "2026-12-25"}, {Date: "2025-12-25", EveryYear: true}}},
		"edges":               {Weekly: []policy.WeeklyInterval{{Weekday: 7, StartMinute: 1439, EndMinute: 2879}, {Weekday: 1, EndMinute: 1}}},
		"overlap":             {Weekly: []policy.WeeklyInterval{{Weekday: 1, EndMinute: 100}, {Weekday: 1, StartMinute: 50, EndMinute: 150}}},
		"one date, each year": {Exceptions: []policy.DatedException{{Date: "2026-12-24"}, {Date: "2026-12-24", EveryYear: true}}},
		"weekday is ignored":  {Exceptions: []policy.DatedException{{Date: "2026-12-24", Intervals: []policy.WeeklyInterval{{EndMinute: 5}}}}},
		"leap day":            {Exceptions: []policy.DatedException{{Date: "2028-02-29"}, {Date: "2024-02-29", EveryYear: true}}},
	} {
		if err := policy.ValidateSchedule(spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateTimeZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Etc/UTC", "UTC", "America/Argentina/Buenos_Aires"} {
		zone, err := policy.ValidateTimeZone(name)
		if err != nil || zone.String() != name {
			t.Errorf("%s: %v, %v", name, zone, err)
		}
	}
	for _, name := range []string{"", "Local", "Factory", "europe/madrid", "Europe/Nowhere", "Europe", "Europe/", "../etc/passwd", "/etc/localtime", "+01:00", " UTC"} {
		if zone, err := policy.ValidateTimeZone(name); !errors.Is(err, policy.ErrUnknownTimeZone) || zone != nil {
			t.Errorf("%q: %v, %v, want ErrUnknownTimeZone", name, zone, err)
		}
		if _, err := policy.NewSchedule(name, policy.ScheduleSpec{}); !errors.Is(err, policy.ErrUnknownTimeZone) {
			t.Errorf("NewSchedule in %q: %v, want ErrUnknownTimeZone", name, err)
		}
	}
}

// The host's database is not asked, even where the process is told to use another one.
func TestTimeZoneIgnoresHost(t *testing.T) {
	t.Setenv("ZONEINFO", t.TempDir())
	if _, err := policy.ValidateTimeZone("Europe/Lisbon"); err != nil {
		t.Error(err)
	}
}

func TestTimeZoneConcurrently(t *testing.T) {
	t.Parallel()
	seen := make([]*time.Location, 8)
	var done sync.WaitGroup
	for i := range seen {
		done.Go(func() { seen[i], _ = policy.ValidateTimeZone("Asia/Tokyo") })
	}
	done.Wait()
	for _, zone := range seen {
		if zone == nil || zone != seen[0] {
			t.Fatalf("not one location for all: %v", seen)
		}
	}
}

// A renewed zoneinfo.zip must know what the scenario files rely on.
func TestZoneData(t *testing.T) {
	t.Parallel()
	offsets := map[string][2]int{ // in January and July 2026, seconds
		"Europe/Madrid":       {3600, 7200},
		"America/New_York":    {-18000, -14400},
		"Australia/Lord_Howe": {39600, 37800},
	}
	for name, want := range offsets {
		zone, err := policy.ValidateTimeZone(name)
		if err != nil {
			t.Fatal(err)
		}
		_, january := time.Date(2026, 1, 15, 12, 0, 0, 0, zone).Zone()
		_, july := time.Date(2026, 7, 15, 12, 0, 0, 0, zone).Zone()
		if got := [2]int{january, july}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func ExampleValidateSchedule() {
	err := policy.ValidateSchedule(policy.ScheduleSpec{Weekly: []policy.WeeklyInterval{{Weekday: 1, StartMinute: 600, EndMinute: 540}}})
	fmt.Println(err)
	// Output: invalid schedule: weekly interval 0: end minute 540 is not more than start minute 600 and at most 1440 later
}
