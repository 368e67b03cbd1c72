package offline

import lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"

// maxBehind is how far the clock may be before issued_at, milliseconds.
const maxBehind = 60_000

// moment is when a question is asked, as far as the lock can know (D4, D5).
type moment struct {
	now      uint64
	believed bool
	fresh    bool
	issued   uint64
	after    lockwirev1.AfterBudget
	windows  map[uint64][]*lockwirev1.BundleWindow // by schedule
}

func (h *Holder) time(clock Clock) moment {
	c := &h.content
	m := moment{issued: c.issued, after: c.door.GetAfterBudget(), windows: map[uint64][]*lockwirev1.BundleWindow{}}
	m.believed = clock.Set && clock.UnixMs+maxBehind >= c.issued
	m.now = max(clock.UnixMs, c.issued)
	m.fresh = m.believed && m.now < c.notAfter
	for _, s := range c.door.GetSchedules() {
		m.windows[s.GetRef()] = s.GetWindows()
	}
	return m
}

// allows says whether a bundle of this age may open for an entry at all (D4).
func (m moment) allows(entry *lockwirev1.BundleEntry) bool {
	switch {
	case m.fresh:
		return true
	case m.after == lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST:
		return entry.GetEmergency()
	default:
		return m.after == lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING
	}
}

// holds says whether the windows of a schedule contain now. Stale ones contain nothing.
func (m moment) holds(schedule uint64) bool {
	if !m.fresh {
		return false
	}
	for _, w := range m.windows[schedule] {
		if w.GetFromMs() <= m.now && m.now < w.GetToMs() {
			return true
		}
	}
	return false
}

// asks says whether a schedule of a rule holds that makes the door stricter; 0 is always, and so is a stale one.
func (m moment) asks(schedule uint64) bool { return schedule == 0 || !m.fresh || m.holds(schedule) }

// admits says whether a schedule of a right holds.
func (m moment) admits(schedule uint64) bool {
	return !m.fresh && m.after == lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST || m.holds(schedule)
}

// begun says whether a right has begun.
func (m moment) begun(from uint64) bool {
	if !m.believed {
		return from <= m.issued
	}
	return from <= m.now
}

// ended says whether a right has ended; 0: it has no end.
func (m moment) ended(to uint64) bool { return to != 0 && (!m.believed || to <= m.now) }

// locks says whether a lockdown holds.
func (m moment) locks(l *lockwirev1.BundleLockdown) bool {
	return !m.believed || l.GetFromMs() <= m.now && (l.GetToMs() == 0 || m.now < l.GetToMs())
}
