package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// refusedWait is how long a lock stays away after DEVICE_REFUSED: a new device is refused until its gateway has heard of it.
const refusedWait = 5 * time.Second

// member is one lock of a fleet and what becomes of it. It observes its lock.
type member struct {
	run    *Run
	record lockRecord
	store  *locksim.Memory
	link   *uplink
	script *script

	// life is held by what changes or uses the lock as a whole.
	life sync.Mutex
	lock *locksim.Lock // guarded by life
	stop func()        // guarded by life; ends the lock's Run
	next *time.Timer   // guarded by life

	mu       sync.Mutex
	open     bool      // guarded by mu
	lost     time.Time // guarded by mu; since when it could have a session but has none
	told     truth     // guarded by mu
	epoch    uint64    // guarded by mu; the present boot
	received uint64    // guarded by mu; of the present boot
}

// boot starts the lock. life is held, or nobody else knows the member yet.
func (m *member) boot(skip uint64) error {
	r := m.run
	lock, err := locksim.Open(locksim.Config{
		Store: m.store, Endpoints: r.cfg.Endpoints, Model: "fleet", Dial: m.link.dial, Observer: m, Forget: true, Shared: &r.shared,
		BackoffMax: r.cfg.BackoffMax, RefusedWait: refusedWait, SkipBoots: skip,
	})
	if err != nil {
		return fmt.Errorf("lock %d: %w", m.record.Index, err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	m.mu.Lock()
	m.lost, m.epoch, m.received = time.Now(), lock.BootEpoch(), 0
	m.mu.Unlock()
	go func() { defer close(done); lock.Run(ctx) }()
	m.lock, m.stop = lock, func() { cancel(); <-done }
	return nil
}

// live waits for the script's next step, does it, and goes on.
func (m *member) live() {
	at, what := m.script.next()
	m.life.Lock()
	defer m.life.Unlock()
	if m.run.ended() || at == never {
		return
	}
	m.next = time.AfterFunc(time.Until(m.run.began.Add(at)), func() {
		if !m.run.enter() {
			return
		}
		defer m.run.steps.Done()
		m.do(what)
		m.live()
	})
}

func (m *member) do(what step) {
	counts := &m.run.counts
	switch what {
	case swipe:
		m.swipe()
	case goOffline:
		m.goOffline(m.script.spell())
	case goHalfOpen:
		counts.halfOpen.Add(1)
		m.run.leave(m.link.halfOpen())
	case powerFail:
		counts.powerFailures.Add(1)
		m.link.drop()
		m.reboot()
	case reboot:
		m.reboot()
	}
}

func (m *member) swipe() {
	m.life.Lock()
	defer m.life.Unlock()
	counts := &m.run.counts
	got := m.lock.Present(m.run.ctx, m.card())
	counts.swipes.Add(1)
	switch {
	case !got.Answered && got.Granted:
		counts.alone.Add(1)
		fallthrough
	case !got.Answered:
		counts.unanswered.Add(1)
		return
	case got.Granted:
		counts.granted.Add(1)
	default:
		counts.denied.Add(1)
	}
	counts.answers.add(got.Took)
}

func (m *member) card() *lockwirev1.Card {
	random, cards := m.script.random, m.run.cards
	if pick := random.IntN(max(len(cards), 1)); random.Float64() >= m.run.cfg.Unknown && len(cards) > 0 {
		return cards[pick]
	}
	return unknownCard(random.Uint64())
}

func (m *member) goOffline(spell time.Duration) {
	if m.link.isAway() {
		return
	}
	m.run.counts.offlineSpells.Add(1)
	m.link.cut()
	time.AfterFunc(spell, m.comeBack)
}

func (m *member) comeBack() {
	m.mu.Lock()
	if !m.open {
		m.lost = time.Now()
	}
	m.mu.Unlock()
	m.link.restore()
}

func (m *member) reboot() {
	m.life.Lock()
	defer m.life.Unlock()
	m.stop()
	m.run.counts.reboots.Add(1)
	if err := m.boot(0); err != nil {
		m.run.fail(err)
	}
}

// rest ends the script.
func (m *member) rest() {
	m.life.Lock()
	defer m.life.Unlock()
	if m.next != nil {
		m.next.Stop()
	}
}

// keep is the lock as the next run finds it. The lock must have stopped.
func (m *member) keep() (lockRecord, error) {
	flash, err := m.store.Load()
	m.record.Flash = json.RawMessage(flash)
	return m.record, err
}

func (m *member) acked() []Acked {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.Clone(m.told)
	for i := range out {
		out[i].Ranges = slices.Clone(out[i].Ranges)
	}
	return out
}

// SessionOpened implements locksim.Observer.
func (m *member) SessionOpened(time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = true
	m.run.counts.connected.Add(1)
	m.run.counts.opened.Add(1)
	m.run.counts.reconnects.add(time.Since(m.lost))
}

// SessionEnded implements locksim.Observer.
func (m *member) SessionEnded(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		m.open, m.lost = false, time.Now()
		m.run.counts.connected.Add(-1)
		m.run.counts.lost.Add(1)
	}
	// What the script did itself is no error.
	if !errors.Is(err, context.Canceled) && !errors.Is(err, errUplinkCut) && !errors.Is(err, net.ErrClosed) {
		m.run.counts.failed(err)
	}
}

// EventWritten implements locksim.Observer.
func (m *member) EventWritten(_, _ uint64) { m.run.counts.written.Add(1) }

// EventsReceived implements locksim.Observer.
func (m *member) EventsReceived(epoch, upTo uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch == m.epoch && upTo > m.received {
		m.run.counts.received.Add(int64(upTo - m.received))
		m.received = upTo
	}
}

// EventsDurable implements locksim.Observer.
func (m *member) EventsDurable(epoch, first, last uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = m.told.add(m.record.Device, epoch, first, last)
	m.run.counts.durable.Add(int64(last - first + 1))
}
