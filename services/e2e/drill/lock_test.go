package drill_test

import (
	"context"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/e2e/drill"
)

// lock is a simulated lock with a line to each region.
type lock struct {
	world  *world
	record *drill.Record
	index  int
	door   int
	device string
	store  *locksim.Memory
	clock  drill.Clock
	lines  []*line
	uplink mode

	mu  sync.Mutex // guards what follows; a reboot waits for swipes to end
	sim *locksim.Lock
	off func()
}

// boot switches the lock on, again.
func (l *lock) boot() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.off != nil {
		l.off()
	}
	// A lock stays with the neighbour for long enough to be seen there: the way home may be silent, and then it is alone meanwhile.
	cfg := locksim.Config{
		Store: l.store, BackoffMin: 10 * time.Millisecond, BackoffMax: 200 * time.Millisecond, RefusedWait: 200 * time.Millisecond,
		HomeEvery: 5 * time.Second, Clock: l.world.Now, Observer: l,
	}
	for _, line := range l.lines {
		cfg.Endpoints = append(cfg.Endpoints, line.address())
	}
	switch l.clock {
	case drill.FreeRunning:
		cfg.Clock, cfg.KeepClock = func() time.Time { return l.world.Now().Add(-90 * time.Second) }, true
	case drill.Unset:
		cfg.ClockQuality, cfg.KeepClock = lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET, true
	}
	sim, err := locksim.Open(cfg)
	must(l.world.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); sim.Run(ctx) }()
	l.sim, l.off = sim, func() { cancel(); <-done }
}

// close switches it off for good.
func (l *lock) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.off != nil {
		l.off()
	}
	for _, line := range l.lines {
		line.close()
	}
}

// EventsDurable implements locksim.Observer, as do the methods below.
func (l *lock) EventsDurable(epoch, first, last uint64) { l.record.Kept(l.index, epoch, first, last) }

func (l *lock) SessionOpened(time.Duration) {}
func (l *lock) SessionEnded(error)          {}
func (l *lock) EventWritten(_, _ uint64)    {}
func (l *lock) EventsReceived(_, _ uint64)  {}

// present presents a card and notes what came of it.
func (l *lock) present(card *lockwirev1.Card, number int) locksim.Result {
	l.mu.Lock()
	sim := l.sim
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	u := drill.Unlock{Lock: l.index, Door: l.door, Card: number, Began: time.Now(), Clock: l.world.Now()}
	got := sim.Present(ctx, card)
	u.Alone = got.Offline || !got.Answered
	u.Event = drill.EventID{Lock: l.index, Epoch: got.Epoch, Sequence: got.Sequence}
	l.record.Present(u, got.Granted, got.Answered)
	return got
}
