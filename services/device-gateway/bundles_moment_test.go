package gateway_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// gate stops whoever comes, until it is opened.
type gate struct {
	reached, opened chan struct{}
	reach, open     sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{}), opened: make(chan struct{})} }

// stop waits until the gate is opened.
func (g *gate) stop() {
	g.reach.Do(func() { close(g.reached) })
	<-g.opened
}

func (g *gate) pass() { g.open.Do(func() { close(g.opened) }) }

// await waits until somebody stands at the gate.
func (g *gate) await(p *place) {
	p.t.Helper()
	select {
	case <-g.reached:
	case <-p.soon().Done():
		p.t.Fatal("nobody came")
	}
}

// moments puts gates at the moments of bundles, from when it is armed.
type moments struct {
	mu       sync.Mutex
	compiled int   // how often; guarded by mu, as is what follows
	armed    bool  //
	sent     []int // how many entries the bundles had that were sent since then
	// gate says where to stop, from how many entries the bundle has, and how many were sent; nil: nowhere.
	gate func(at gateway.BundleMoment, entries, sent int) *gate
}

func (m *moments) of(parts *gateway.Parts) {
	parts.BundleMoment = func(_ string, at gateway.BundleMoment, entries int) {
		if g := m.at(at, entries); g != nil {
			g.stop()
		}
	}
}

func (m *moments) at(at gateway.BundleMoment, entries int) *gate {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at == gateway.BundleCompiled {
		m.compiled++
	}
	if !m.armed {
		return nil
	}
	if at == gateway.BundleSending {
		m.sent = append(m.sent, entries)
	}
	return m.gate(at, entries, len(m.sent))
}

func (m *moments) given() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

func (m *moments) looks() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.compiled
}

func (m *moments) arm() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = true
}

// given is a lock at a gateway that stops at moments, with another gateway beside it. What the lock holds does not open for the badge;
// from now on what opens for it is on its way.
func (p *place) given(m *moments) (quick *running, l *locksim.Lock, wire *uplink) {
	p.t.Helper()
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	p.revoke()
	slow := p.start("", m.of)
	quick = p.start("")
	l, wire = slow.bundled()
	p.eventually("the other gateway knows what the lock confirmed", func() bool { return len(quick.exposures()) == 0 })
	// The next bundle shall not wait for its distance from the last: the second look from now begins after that.
	p.ahead.Add(int64(time.Second))
	looks, nothing := m.looks(), outbox.SiteKey(p.org, p.site, "grant", region.NewID(region.Grant, "euc"))
	p.eventually("the lock is looked at again", func() bool {
		p.put(nothing, &permissionsv1.GrantState{SubjectId: string(region.NewID(region.Person, "euc")), TargetId: string(p.door)})
		return m.looks() >= looks+2
	})
	m.arm()
	p.put(outbox.SiteKey(p.org, p.site, "grant", p.grant), &permissionsv1.GrantState{SubjectId: string(p.person), TargetId: string(p.door)})
	return quick, l, wire
}

// alone cuts a lock off and presents the badge.
func (p *place) alone(l *locksim.Lock, wire *uplink) locksim.Result {
	p.t.Helper()
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	return l.Present(p.soon(), badge)
}

// A bundle is compiled; before it is noted the grant ends, and it is answered that no lock is exposed, which is true. So the lock must
// not be given what was compiled, though the next look would put that right.
func TestABundleThatNoAnswerCouldCountIsNotGiven(t *testing.T) {
	p := newPlace(t)
	first := newGate()
	m := &moments{gate: func(at gateway.BundleMoment, entries, _ int) *gate {
		if at == gateway.BundleCompiled && entries > 0 {
			return first
		}
		return nil
	}}
	quick, l, wire := p.given(m)
	t.Cleanup(first.pass) // before the gateways stop
	first.await(p)
	held := l.BundleVersion()
	if got := quick.after(p.revoke()); len(got) != 0 {
		t.Fatalf("a lock that holds nothing of it is exposed: %v", got)
	}
	first.pass()
	p.eventually("the lock is given a bundle", func() bool { return len(m.given()) > 0 && l.BundleVersion() > held })
	if got := m.given(); slices.Max(got) > 0 {
		t.Errorf("bundles of %v entries were sent; that none was had been answered", got)
	}
	if got := p.alone(l, wire); got.Granted || !got.Offline {
		t.Fatalf("alone: %+v", got)
	}
}

// A bundle is noted and about to be sent; the grant ends. The lock may hold it from now on, so it is listed. What takes the grant's
// entry out arrives before the entry does, and the lock does not let it in.
func TestABundleThatRevocationsOvertakeOnTheWay(t *testing.T) {
	p := newPlace(t)
	first, later := newGate(), newGate()
	m := &moments{gate: func(at gateway.BundleMoment, _, sent int) *gate {
		switch {
		case at != gateway.BundleSending:
			return nil
		case sent == 1:
			return first
		default: // no second bundle puts right what the first one did
			return later
		}
	}}
	quick, l, wire := p.given(m)
	t.Cleanup(later.pass)
	t.Cleanup(first.pass)
	first.await(p)
	latest := time.Now().Add(budget + time.Duration(p.ahead.Load()))
	got := quick.after(p.revoke())
	if len(got) != 1 || got[0].GetDeviceId() != l.DeviceID() || got[0].GetUntil().AsTime().After(latest) {
		t.Fatalf("exposed: %v, at most until %v", got, latest)
	}
	p.eventually("the revocations arrived", func() bool { return l.BundleTombstones() > 0 })
	first.pass()
	p.eventually("nothing is exposed", func() bool { return len(quick.exposures()) == 0 })
	if got := p.alone(l, wire); got.Granted || !got.Offline {
		t.Fatalf("alone: %+v", got)
	}
}
