package session

import (
	"context"
	"sync"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
)

const (
	// settleTime is how long changes of rules are gathered before the doors of an organization are looked at: an import changes many.
	settleTime = 50 * time.Millisecond
	// keptAtOnce is how many locks are told at a time what their doors' rules want; each holds a goroutine while it is written to.
	keptAtOnce = 64
	// looksAtOnce is how many doors' rules are looked up at a time; each holds a goroutine while shared door state is waited for.
	looksAtOnce = 512
)

// keeper makes the locks that are connected here do what their doors' rules want by themselves: stand open, or admit nobody. It
// looks at a lock when it connects, when a rule of its organization changes, and when the rules say that something begins or
// ends: idle locks cost it nothing. It is safe for concurrent use.
type keeper struct {
	hub   *Hub
	slots chan struct{}
	looks chan struct{}
	wake  chan struct{}

	mu sync.Mutex // guards what follows, and kept.due and kept.busy of all sessions
	// touched are to be looked at now; changed are rules whose doors are.
	touched map[*session]bool
	changed map[access.DoorRule]bool
	due     agenda[*session]
}

func newKeeper(h *Hub) *keeper {
	return &keeper{
		hub: h, slots: make(chan struct{}, keptAtOnce), looks: make(chan struct{}, looksAtOnce), wake: make(chan struct{}, 1),
		touched: map[*session]bool{}, changed: map[access.DoorRule]bool{},
	}
}

// touch has a session looked at soon.
func (k *keeper) touch(s *session) {
	k.mu.Lock()
	k.touched[s] = true
	k.mu.Unlock()
	k.rouse()
}

// ruleChanged has the doors looked at that a rule may be about.
func (k *keeper) ruleChanged(r access.DoorRule) {
	if r.Kind != "door" { // which doors it is about is not looked up: their organization's
		r = access.DoorRule{Org: r.Org}
	}
	k.mu.Lock()
	k.changed[r] = true
	k.mu.Unlock()
	k.rouse()
}

func (k *keeper) rouse() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// schedule has a session looked at no later than at a moment; zero: only when it is touched.
func (k *keeper) schedule(s *session, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.kept.ended || at.IsZero() {
		k.due.drop(&s.kept.due)
		return
	}
	if k.due.set(&s.kept.due, s, at) {
		k.rouse() // sooner than whatever is waited for
	}
}

// forget drops a session that ended.
func (k *keeper) forget(s *session) {
	k.mu.Lock()
	s.kept.ended = true
	delete(k.touched, s)
	k.mu.Unlock()
	k.schedule(s, time.Time{})
}

// run looks at sessions until ctx ends.
func (k *keeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		for _, s := range k.take(k.hub.cfg.Now()) {
			k.look(ctx, s)
		}
		timer.Reset(k.pause(k.hub.cfg.Now()))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			continue
		case <-k.wake:
		}
		timer.Reset(settleTime)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// pause is how long it is until the next session is due; an hour when none is.
func (k *keeper) pause(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	next, ok := k.due.next()
	if !ok {
		return time.Hour
	}
	return max(0, min(time.Hour, next.Sub(now)))
}

// take returns the sessions that are to be looked at now.
func (k *keeper) take(now time.Time) []*session {
	k.mu.Lock()
	touched, changed := k.touched, k.changed
	k.touched, k.changed = map[*session]bool{}, map[access.DoorRule]bool{}
	for s, ok := k.due.due(now); ok; s, ok = k.due.due(now) {
		touched[s] = true
	}
	k.mu.Unlock()
	if len(changed) > 0 {
		for _, s := range k.hub.list() {
			if changed[access.DoorRule{Org: s.device.Org}] || changed[access.DoorRule{Org: s.device.Org, Site: s.device.Site, Kind: "door", ID: s.device.Door}] {
				touched[s] = true
			}
		}
	}
	list := make([]*session, 0, len(touched))
	for s := range touched {
		list = append(list, s)
	}
	return list
}
