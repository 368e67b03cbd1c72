package session

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAnAgendaGivesWhatIsDueInTheOrderOfTime holds it against a map.
func TestAnAgendaGivesWhatIsDueInTheOrderOfTime(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var a agenda[int]
		var dates [8]date[int]
		want := map[int]time.Time{}
		earliest := func() (at time.Time) {
			for _, other := range want {
				if at.IsZero() || other.Before(at) {
					at = other
				}
			}
			return at
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			item, at := rapid.IntRange(0, 7).Draw(t, "item"), begin.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "at")))
			switch rapid.SampledFrom([]string{"set", "set", "drop", "due"}).Draw(t, "do") {
			case "set":
				want[item] = at
				if a.set(&dates[item], item, at) && !at.Equal(earliest()) {
					t.Fatalf("%d at %s is not the next of %v", item, at, want)
				}
			case "drop":
				a.drop(&dates[item])
				delete(want, item)
			case "due":
				got, ok := a.due(at)
				if first := earliest(); ok != (!first.IsZero() && !first.After(at)) || ok && !want[got].Equal(first) {
					t.Fatalf("at %s: %d, %v of %v", at, got, ok, want)
				}
				if ok {
					delete(want, got)
				}
			}
			if next, ok := a.next(); ok != (len(want) > 0) || !next.Equal(earliest()) {
				t.Fatalf("next %s of %v", next, want)
			}
		}
	})
}
