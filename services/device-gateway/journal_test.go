package gateway_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// TestEventsOfOlderBootsComeFirst: a lock boots again and again before it could send anything; each boot's events are in the
// ledger once, in the order in which they happened.
func TestEventsOfOlderBootsComeFirst(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	store := g.enroll()
	var written []locksim.Record
	for range 5 {
		cold := p.off(store)
		for range 3 {
			cold.Present(t.Context(), badge) // nobody answers, the lock refuses, and says so
		}
		written = append(written, cold.Events()...)
	}
	l := p.boot(store)
	p.opens(l)
	p.must(l.WaitDurable(p.soon()))
	written = append(written, l.Events()...)
	if len(written) < 5*4+2 {
		t.Fatalf("%d events", len(written))
	}
	p.ledger(map[string][]locksim.Record{l.DeviceID(): written})
}

// off boots a lock that never dials.
func (p *place) off(store locksim.Store) *locksim.Lock {
	p.t.Helper()
	l, err := locksim.Open(locksim.Config{Store: store})
	p.must(err)
	return l
}

// TestAResendThroughAnotherGatewayIsTheSameEvent: the broker is away, one gateway has received events and the lock, which may not
// forget them, sends them to another as well. Both deliver.
func TestAResendThroughAnotherGatewayIsTheSameEvent(t *testing.T) {
	p := newPlace(t)
	first, second := p.start(""), p.start("")
	store := first.enroll()
	var written []locksim.Record
	for _, g := range []*running{first, second} { // both know the lock
		l, end := p.bootUntil(store, func(c *locksim.Config) { c.Endpoints = []string{g.locks} })
		p.opens(l)
		p.must(l.WaitDurable(p.soon()))
		written = append(written, l.Events()...)
		end()
	}
	p.broker.Stop()
	for round := range 6 {
		at := []*running{first, second}[round%2]
		l, end := p.bootUntil(store, func(c *locksim.Config) { c.Endpoints = []string{at.locks} })
		p.must(l.WaitOpen(p.soon()))
		for range 3 {
			p.is(l, locksim.Presented{}, 0)
		}
		p.must(l.WaitReceived(p.soon()))
		written = append(written, l.Events()...)
		end()
	}
	p.broker.Restart(t)
	l, end := p.bootUntil(store, func(c *locksim.Config) { c.Endpoints = []string{first.locks} })
	defer end()
	p.opens(l)
	p.must(l.WaitDurable(p.soon()))
	written = append(written, l.Events()...)
	p.ledger(map[string][]locksim.Record{l.DeviceID(): written})
}

// bootUntil is boot with an end.
func (p *place) bootUntil(store locksim.Store, change func(*locksim.Config)) (*locksim.Lock, func()) {
	p.t.Helper()
	cfg := locksim.Config{Store: store, BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond}
	change(&cfg)
	l, err := locksim.Open(cfg)
	p.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	return l, sync.OnceFunc(func() { cancel(); <-done })
}
