package session

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"golang.org/x/sync/errgroup"
)

const (
	// capabilityBundle is what a lock names in Hello when it can decide alone.
	capabilityBundle = "bundle"
	// bundleWorkers is how many locks are looked at at once: most of that time they wait for the broker.
	bundleWorkers = 16
	// bundleTimeout bounds one look: the broker answers or it counts as away.
	bundleTimeout = 5 * time.Second
	// bundleRetry is when a lock is looked at again that could not be served, at first; bundleWaitMax the longest pause while that goes
	// on, bundleRetryMax the longest for one that refuses what it is given.
	bundleRetry    = 2 * time.Second
	bundleWaitMax  = 30 * time.Second
	bundleRetryMax = 10 * time.Minute
	// bundleLogEvery is how often it is logged that locks cannot be served: while the broker is away that is all of them.
	bundleLogEvery = 30 * time.Second
	// bundleAckTimeout is how long a lock may take to answer what it was sent before it is sent the whole anew.
	bundleAckTimeout = 2 * time.Minute
	// bundleSpacing is how far apart a lock's bundles are at least: what is taken away does not wait for it.
	bundleSpacing = 500 * time.Millisecond
	// maxBundlesOut is how many bundles of several parts are on their way at once: each is held in memory until it is sent.
	maxBundlesOut = 64
	// maxRevocationsOut is how many revocations one lock may have to answer: one that does not read is not sent ever more of them.
	maxRevocationsOut = 16
)

// BundleSource compiles what locks may decide alone, and tells when that changes. access.Copy is one.
type BundleSource interface {
	Bundle(device string, at time.Time) (access.OfflineBundle, bool)
	Stamp(org, door string) uint64
	AllTakenAway(org, door string) map[string]int64
	OfflineRule(org, door string) *permissionsv1.OfflineRule
	Touched() <-chan struct{}
	TakeTouched() []string
}

// BundleStates notes what locks may hold. bundlestate.Store is one.
type BundleStates interface {
	Recall(d bundlestate.Device) (bundlestate.Record, bool)
	Anew() <-chan struct{}
	Read(ctx context.Context, d bundlestate.Device) (bundlestate.Record, error)
	Write(ctx context.Context, d bundlestate.Device, over bundlestate.Record, next *gatewayv1.BundleState) (bundlestate.Record, error)
}

// BundleSigner signs for locks. bundle.Signer is one.
type BundleSigner interface {
	Bundle(m *lockwirev1.BundleContent) (*lockwirev1.Bundle, error)
	Revocations(m *lockwirev1.RevocationsContent) (*lockwirev1.Revocations, error)
}

// Bundles is what a Hub needs to give locks what they may decide alone; all but Moment is required.
type Bundles struct {
	Source BundleSource
	States BundleStates
	Signer BundleSigner
	// Home is a device's region.
	Home func(device string) (region.Name, error)
	// Gateway is this gateway's id.
	Gateway string
	// Moment is called at the moments of a lock's bundle of so many entries, which wait until it returns; for tests.
	Moment func(device string, at BundleMoment, entries int)
}

// BundleMoment is how far a lock's bundle is.
type BundleMoment string

// The moments of a bundle, in their order. Others may do anything between two of them.
const (
	BundleCompiled BundleMoment = "compiled" // nothing is noted
	BundleNoted    BundleMoment = "noted"    // it was not looked whether it still holds
	BundleSending  BundleMoment = "sending"  // no part of it was sent; what is taken away may go first
)

func (b *Bundles) moment(device string, at BundleMoment, entries int) {
	if b.Moment != nil {
		b.Moment(device, at, entries)
	}
}

// bundler gives locks their bundles. A lock is looked at by one worker at a time, when its door has changed, it has answered, or it is
// time; a lock that is idle costs memory only.
type bundler struct {
	Bundles
	hub *Hub
	out chan struct{} // a place for each bundle in parts on its way

	mu sync.Mutex // guards what follows, and the lanes' queued
	// urgent goes before other: what was taken away goes before what is new or renewed.
	urgent, other []*session
	wake          chan struct{}
	due           agenda[*session]
	dueChanged    chan struct{}
	failed        int       // looks since it was logged
	logged        time.Time // that locks cannot be served
}

func newBundler(h *Hub, b Bundles) *bundler {
	return &bundler{
		Bundles: b, hub: h, out: make(chan struct{}, maxBundlesOut), wake: make(chan struct{}, bundleWorkers), dueChanged: make(chan struct{}, 1),
	}
}

// RunBundles gives locks their bundles until ctx ends.
func (h *Hub) RunBundles(ctx context.Context) error {
	if h.bundler == nil {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.bundler.follow(ctx) })
	g.Go(func() error { return h.bundler.clock(ctx) })
	for range bundleWorkers {
		g.Go(func() error { return h.bundler.work(ctx) })
	}
	return g.Wait()
}

// follow queues the locks whose doors have changed.
func (b *bundler) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.Source.Touched():
		case <-b.States.Anew():
			b.enqueueAll()
		}
		for _, device := range b.Source.TakeTouched() {
			if s := b.hub.find(device); s != nil {
				b.enqueue(s, true)
			}
		}
	}
}

// enqueueAll has all locks looked at, from what the broker has.
func (b *bundler) enqueueAll() {
	b.hub.mu.Lock()
	all := slices.Collect(maps.Values(b.hub.sessions))
	b.hub.mu.Unlock()
	for _, s := range all {
		if s.open.Load() && s.lane != nil {
			s.lane.stale.Store(true)
			b.enqueue(s, false)
		}
	}
}

// enqueue has a lock looked at, once more if that is going on.
func (b *bundler) enqueue(s *session, urgent bool) {
	l := s.lane
	if l == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.working || l.queued {
		l.again = l.again || l.working
		if l.queued && urgent && !l.urgent {
			l.urgent = true
			b.urgent = append(b.urgent, s) // it is skipped in the other queue
		}
		return
	}
	b.push(s, urgent)
}

// push is called with mu held.
func (b *bundler) push(s *session, urgent bool) {
	s.lane.queued, s.lane.urgent = true, urgent
	if urgent {
		b.urgent = append(b.urgent, s)
	} else {
		b.other = append(b.other, s)
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// next is the lock to look at; nil: none.
func (b *bundler) next() *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, queue := range []*[]*session{&b.urgent, &b.other} {
		for len(*queue) > 0 {
			s := (*queue)[0]
			(*queue)[0] = nil
			*queue = (*queue)[1:]
			if s.lane.queued {
				s.lane.queued, s.lane.working, s.lane.again = false, true, false
				return s
			}
		}
		*queue = nil
	}
	return nil
}

// done puts a lock back that was asked for meanwhile.
func (b *bundler) done(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.lane.working = false
	if s.lane.again {
		b.push(s, true)
	}
}

func (b *bundler) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		}
		for s := b.next(); s != nil && ctx.Err() == nil; s = b.next() {
			if s.open.Load() {
				b.serve(ctx, s)
			}
			b.done(s)
		}
	}
}

// logFailure says now and then that locks wait, and names one.
func (b *bundler) logFailure(ctx context.Context, s *session, err error) {
	b.mu.Lock()
	b.failed++
	failed, now := b.failed, time.Now()
	due := now.Sub(b.logged) >= bundleLogEvery
	if due {
		b.failed, b.logged = 0, now
	}
	b.mu.Unlock()
	if due {
		b.hub.cfg.Logger.WarnContext(ctx, "locks' bundles wait", "device", s.deviceID, "error", err, "looks", failed)
	}
}

// serve looks at a lock: takes what it has answered, and gives it what it lacks.
func (b *bundler) serve(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, bundleTimeout)
	defer cancel()
	v := &visit{bundler: b, session: s, lane: s.lane, now: b.hub.cfg.Now()}
	err := v.run(ctx)
	if errors.Is(err, bundlestate.ErrConflict) { // somebody else wrote it
		v.lane.lost = true
		err = v.run(ctx)
	}
	if v.lane.failures++; err == nil {
		v.lane.failures = 0
	} else {
		v.lane.lost = true
		b.logFailure(ctx, s, err)
		pause := min(bundleRetry<<min(v.lane.failures-1, 10), bundleWaitMax)
		v.later(pause/2 + rand.N(pause/2)) // those that failed together do not come back together
	}
	v.await()
	b.schedule(s, v.lane.next)
}
