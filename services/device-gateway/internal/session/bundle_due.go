package session

import (
	"container/heap"
	"context"
	"time"
)

// dueHeap is the locks to look at at a moment, the next one first.
type dueHeap []*session

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].lane.due.Before(h[j].lane.due) }

// Swap implements heap.Interface.
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].lane.place, h[j].lane.place = i+1, j+1
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	s := x.(*session)
	*h = append(*h, s)
	s.lane.place = len(*h)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	s.lane.place = 0
	return s
}

// schedule has a lock looked at at a moment, and not at another that was told before; zero: not.
func (b *bundler) schedule(s *session, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := s.lane
	if l.place > 0 {
		heap.Remove(&b.due, l.place-1)
	}
	if at.IsZero() || l.left {
		return
	}
	l.due = at
	heap.Push(&b.due, s)
	if l.place == 1 {
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
	if s.lane.place > 0 {
		heap.Remove(&b.due, s.lane.place-1)
	}
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
	for len(b.due) > 0 {
		s := b.due[0]
		if wait := s.lane.due.Sub(now); wait > 0 {
			return min(wait, time.Minute) // the clock may be set
		}
		heap.Pop(&b.due)
		switch {
		case s.lane.working:
			s.lane.again = true
		case !s.lane.queued:
			b.push(s, false)
		}
	}
	return time.Minute
}
