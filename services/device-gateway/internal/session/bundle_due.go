package session

import (
	"context"
	"time"
)

// schedule has a lock looked at at a moment, and not at another that was told before; zero: not.
func (b *bundler) schedule(s *session, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := s.lane
	if at.IsZero() || l.left {
		b.due.drop(&l.due)
		return
	}
	if b.due.set(&l.due, s, at) {
		select {
		case b.dueChanged <- struct{}{}:
		default:
		}
	}
}

// forget lets go of a session that has ended.
func (b *bundler) forget(s *session) {
	if s.lane == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.lane.left = true
	b.due.drop(&s.lane.due)
}

// clock queues the locks whose moment has come.
func (b *bundler) clock(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(b.ring())
		select {
		case <-ctx.Done():
			return nil
		case <-b.dueChanged:
		case <-timer.C:
		}
	}
}

// ring queues what is due, and says how long until the next.
func (b *bundler) ring() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.hub.cfg.Now()
	for s, ok := b.due.due(now); ok; s, ok = b.due.due(now) {
		switch {
		case s.lane.working:
			s.lane.again = true
		case !s.lane.queued:
			b.push(s, false)
		}
	}
	if next, ok := b.due.next(); ok {
		return min(next.Sub(now), time.Minute) // the clock may be set
	}
	return time.Minute
}
