package offline

import (
	"math"
	"time"
)

// StandsOpen says whether a lock that decides alone keeps its door unlocked now.
func (h *Holder) StandsOpen(clock Clock) bool {
	if !h.Holds() || broken(h.content.door) {
		return false
	}
	q := question{time: h.time(clock), door: h.content.door}
	return q.open(q.rank()) && !q.waits()
}

// NextChange is how long the answer of StandsOpen holds at least, while the clock runs and the bundle stays; false: as long as
// that is so.
func (h *Holder) NextChange(clock Clock) (time.Duration, bool) {
	if !h.Holds() || !clock.Set {
		return 0, false
	}
	c := &h.content
	next := uint64(math.MaxUint64)
	edge := func(ms uint64) {
		if ms > clock.UnixMs {
			next = min(next, ms)
		}
	}
	edge(c.issued - min(c.issued, maxBehind))
	edge(c.notAfter)
	for _, l := range c.door.GetLockdowns() {
		edge(l.GetFromMs())
		edge(l.GetToMs())
	}
	rules := c.door.GetRules()
	for _, s := range c.door.GetSchedules() {
		if ref := s.GetRef(); ref != c.door.GetOpenSchedule() && ref != rules.GetFirstPersonSchedule() {
			continue
		}
		for _, w := range s.GetWindows() {
			edge(w.GetFromMs())
			edge(w.GetToMs())
		}
	}
	if next == math.MaxUint64 {
		return 0, false
	}
	left := min(next-clock.UnixMs, uint64(math.MaxInt64/time.Millisecond))
	return time.Duration(left) * time.Millisecond, true
}
