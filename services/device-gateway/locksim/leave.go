package locksim

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// goneAway ends a session that the gateway asked to leave.
type goneAway struct {
	endpoints []string
	by        time.Time
}

func (g *goneAway) Error() string { return ErrAskedToLeave.Error() }

// Is makes it ErrAskedToLeave.
func (g *goneAway) Is(target error) bool { return target == ErrAskedToLeave }

// goAway begins to leave: nothing new is asked.
func (k *link) goAway(m *lockwirev1.GoAway) {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	k.leaving = &goneAway{endpoints: endpoints(m.GetEndpoints()), by: time.Now().Add(time.Duration(m.GetWithinMs()) * time.Millisecond)}
	k.lock.broadcast()
}

// patience is until when the gateway may say nothing.
func (k *link) patience() time.Time {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	until := time.Now().Add(2 * k.heartbeat)
	if k.leaving != nil && k.leaving.by.Before(until) {
		return k.leaving.by
	}
	return until
}

// left is not nil when the gateway asked to leave and nothing is in flight any more, or the time is up, or the line is over.
func (k *link) left(over bool) error {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	if k.leaving == nil || !over && len(k.answers)+len(k.batches) > 0 && time.Now().Before(k.leaving.by) {
		return nil
	}
	return k.leaving
}
