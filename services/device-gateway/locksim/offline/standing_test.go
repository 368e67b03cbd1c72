package offline

import (
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"pgregory.net/rapid"
)

// TestNothingChangesBeforeTheNextChange: a lock that looks only then misses nothing.
func TestNothingChangesBeforeTheNextChange(t *testing.T) {
	ms := func(rt *rapid.T, what string) uint64 {
		return uint64(begin.Add(time.Duration(rapid.IntRange(-3, 70).Draw(rt, what)) * time.Minute).UnixMilli())
	}
	rapid.Check(t, func(rt *rapid.T) {
		door := &lockwirev1.BundleDoor{OpenSchedule: 5, Rules: &lockwirev1.BundleRules{}}
		if rapid.Bool().Draw(rt, "first person") {
			door.Rules.FirstPerson, door.Rules.FirstPersonSchedule = true, 6
		}
		if rapid.Bool().Draw(rt, "lockdown") {
			door.Lockdowns = []*lockwirev1.BundleLockdown{{Rank: 3, FromMs: ms(rt, "locked from"), ToMs: ms(rt, "to")}}
		}
		h := lock(t, door)
		windows := func(what string) []*lockwirev1.BundleWindow {
			return []*lockwirev1.BundleWindow{{FromMs: ms(rt, what+" from"), ToMs: ms(rt, what+" to")}}
		}
		h.content.door.Schedules = []*lockwirev1.BundleSchedule{{Ref: 5, Windows: windows("open")}, {Ref: 6, Windows: windows("first")}}
		clock := at(begin.Add(-5 * time.Minute))
		for looks := 0; looks < 20; looks++ {
			now := h.StandsOpen(clock)
			left, ok := h.NextChange(clock)
			if !ok {
				left = 3 * time.Hour
			}
			for passed := time.Duration(0); passed < left; passed += 30 * time.Second {
				later := Clock{Set: true, UnixMs: clock.UnixMs + uint64(passed.Milliseconds())}
				if h.StandsOpen(later) != now {
					rt.Fatalf("%s after %d it changes, looked for after %s", passed, clock.UnixMs, left)
				}
			}
			if !ok {
				return
			}
			clock.UnixMs += uint64(left.Milliseconds())
		}
		rt.Fatal("it changes for ever")
	})
}
