package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"pgregory.net/rapid"
)

// TestWindowsAreWhatContainsSays: every minute of a week in which clocks change, and a moment inside it.
func TestWindowsAreWhatContainsSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		week := rapid.SampledFrom(weeks).Draw(t, "week")
		begin, _ := time.Parse("2006-01-02", week.from)
		schedule, err := policy.NewSchedule(week.zone, drawSpec(t, begin.AddDate(0, 0, -1)))
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) // rapid itself prefers short times
		from := begin.Add(time.Duration(random.Int64N(int64(48 * time.Hour))))
		to := from.Add(time.Duration(random.Int64N(int64(6 * 24 * time.Hour))))
		windows := schedule.Windows(from, to)
		for i, w := range windows {
			if !w.From.Before(w.To) || w.From.Before(from) || w.To.After(to) || i > 0 && !windows[i-1].To.Before(w.From) {
				t.Fatalf("window %d of %v is empty, outside, or not after the one before", i, windows)
			}
			for _, edge := range []time.Time{w.From, w.To.Add(-1)} {
				if !schedule.Contains(edge) {
					t.Fatalf("%v: %s is not in the schedule", w, edge)
				}
			}
		}
		second := time.Duration(rapid.Int64Range(0, int64(time.Minute)-1).Draw(t, "second"))
		next := 0
		for at := from.Add(second); at.Before(to); at = at.Add(time.Minute) {
			for next < len(windows) && !at.Before(windows[next].To) {
				next++
			}
			in := next < len(windows) && !at.Before(windows[next].From)
			if want := schedule.Contains(at); in != want {
				t.Fatalf("%s in %s: in a window: %v, contained: %v; %v", at, week.zone, in, want, windows)
			}
		}
	})
}
