package locksim

import "time"

// standing is what a lock that decides alone does between presentations: it keeps its door unlocked while its bundle says that the
// door stands open. With a session the gateway says so, by HoldOpen. The lock's mu guards it.
type standing struct {
	open bool
	// ended is when it was open last; next is when it may be another. Both zero: never.
	ended, next time.Time
}

// stand looks whether the door stands open. mu is held.
func (l *Lock) stand(now time.Time) {
	s := &l.door.standing
	was := s.open
	s.open, s.next = false, time.Time{}
	if l.link == nil {
		clock := l.offlineClock()
		s.open = l.flash.Lockdown == "" && l.holder.StandsOpen(clock)
		if after, ok := l.holder.NextChange(clock); ok {
			s.next = now.Add(after)
		}
	}
	if was && !s.open {
		s.ended = now
	}
}
