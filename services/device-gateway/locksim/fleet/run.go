package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"golang.org/x/sync/errgroup"
)

// skipAfterKill is how many boot epochs are left out after a run that was killed: more than it can have used.
const skipAfterKill = 1000

// halfOpenFor is how long the gateway's end of a half-open connection stays open.
const halfOpenFor = 2 * time.Minute

// Run is locks that live. Make it with Open.
type Run struct {
	cfg     Config
	skip    uint64
	shared  locksim.Shared
	cards   []*lockwirev1.Card
	members []*member
	counts  counters

	ctx   context.Context // of all locks; ends after the drain
	began time.Time

	mu      sync.Mutex
	over    bool // guarded by mu; no step begins any more
	failure error
	steps   sync.WaitGroup // under way; added to with mu held
	lifted  []func()       // guarded by mu; close what is half open
}

// Open reads a fleet's locks and cards; nothing connects yet. skip is how many boot epochs each lock leaves out.
func Open(cfg Config, skip uint64) (*Run, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Run{cfg: cfg, skip: skip}
	cards, err := readCards(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, c := range cards {
		card, err := c.card()
		if err != nil {
			return nil, fmt.Errorf("card %d: %w", c.Index, err)
		}
		r.cards = append(r.cards, card)
	}
	locks, err := readLocks(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for i := cfg.First; i < cfg.First+cfg.Locks; i++ {
		record, ok := locks[i]
		if !ok {
			return nil, fmt.Errorf("lock %d is not in %s: provision at least %d locks", i, cfg.Dir, cfg.First+cfg.Locks)
		}
		if err := r.add(i, record); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Run) add(i int, record lockRecord) error {
	var source netip.Addr
	if r.cfg.Sources > 0 {
		source = sourceOf(i % r.cfg.Sources)
	}
	m := &member{run: r, record: record, store: new(locksim.Memory), link: newUplink(source), script: newScript(&r.cfg, i)}
	if err := m.store.Save(record.Flash); err != nil {
		return err
	}
	m.record.Flash = nil
	r.members = append(r.members, m)
	return nil
}

// Live runs the locks until ctx or the configured duration ends; then it lets all back in, waits for their events to become
// durable, and stops them. report gets the counts each second.
func (r *Run) Live(ctx context.Context, report func(Counts)) (err error) {
	locks, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r.ctx, r.began = locks, time.Now()
	if r.cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.cfg.Duration)
		defer cancel()
	}
	var watch errgroup.Group
	watching, unwatch := context.WithCancel(locks)
	watch.Go(func() error { return r.watch(watching, report) })
	started := r.start(ctx)
	if started == nil {
		<-ctx.Done()
	}
	r.wind()
	stop()
	r.stopAll()
	unwatch()
	return errors.Join(started, watch.Wait(), r.failed(), r.keep(), r.writeAcked())
}

// start boots the locks, so many in a second as Ramp says.
func (r *Run) start(ctx context.Context) error {
	for i, m := range r.members {
		due := r.began.Add(time.Duration(float64(i) / r.cfg.Ramp * float64(time.Second)))
		if d := time.Until(due); d > time.Millisecond {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return nil
			}
		}
		m.life.Lock()
		err := m.boot(r.skip)
		m.life.Unlock()
		if err != nil {
			return err
		}
		m.live()
	}
	return nil
}

// wind ends the scripts and waits until everything is durable, or the drain is over.
func (r *Run) wind() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	for _, m := range r.members {
		m.rest()
	}
	r.steps.Wait()
	for _, m := range r.members {
		m.link.dropDead()
		m.comeBack()
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.Drain)
	defer cancel()
	for _, m := range r.members {
		if m.lock != nil && m.lock.WaitDurable(ctx) != nil {
			return
		}
	}
}

func (r *Run) stopAll() {
	for _, m := range r.members {
		if m.stop != nil {
			m.stop()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, lift := range r.lifted {
		lift()
	}
}

// keep writes the locks for the next run.
func (r *Run) keep() error {
	records := make([]lockRecord, len(r.members))
	for i, m := range r.members {
		var err error
		if records[i], err = m.keep(); err != nil {
			return err
		}
	}
	return writeLines(pieceOf(r.cfg.Dir, r.cfg.First), records)
}

// watch reports each second and writes what was acknowledged now and then, in case that this process is killed.
func (r *Run) watch(ctx context.Context, report func(Counts)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		report(r.Counts())
		if n%10 == 0 {
			if err := r.writeAcked(); err != nil {
				return err
			}
		}
	}
}

// Counts is what happened until now.
func (r *Run) Counts() Counts { return r.counts.read() }

// Acked is every event that a lock was told is durable.
func (r *Run) Acked() []Acked {
	var all []Acked
	for _, m := range r.members {
		all = append(all, m.acked()...)
	}
	return all
}

func (r *Run) writeAcked() error {
	if r.cfg.Acked == "" {
		return nil
	}
	return writeLines(r.cfg.Acked, r.Acked())
}

// leave closes something later.
func (r *Run) leave(lift func()) {
	lift = sync.OnceFunc(lift)
	time.AfterFunc(halfOpenFor, lift)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lifted = append(r.lifted, lift)
}

// enter begins a step, unless the run ends.
func (r *Run) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.steps.Add(1)
	return true
}

func (r *Run) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

func (r *Run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure = errors.Join(r.failure, err)
}

func (r *Run) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}
