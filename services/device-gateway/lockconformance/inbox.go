package lockconformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// place is an event's name.
type place struct{ epoch, sequence uint64 }

// inbox takes a lock's events in one session, and answers each batch as received, or as durable.
type inbox struct {
	p       *peer
	durable bool
	from    map[uint64]uint64
	// events are in the order in which they came; order are their names.
	events  map[place]*lockwirev1.Event
	order   []place
	batches []*lockwirev1.EventBatch
}

func newInbox(p *peer, durable bool) *inbox {
	return &inbox{p: p, durable: durable, from: map[uint64]uint64{}, events: map[place]*lockwirev1.Event{}}
}

// take notes a batch and answers it.
func (b *inbox) take(m *lockwirev1.EventBatch) error {
	b.batches = append(b.batches, m)
	if _, ok := b.from[m.GetBootEpoch()]; !ok {
		b.from[m.GetBootEpoch()] = m.GetFirstSequence()
	}
	last := m.GetFirstSequence() - 1
	for _, e := range m.GetEvents() {
		last++
		at := place{m.GetBootEpoch(), last}
		b.events[at] = e
		b.order = append(b.order, at)
	}
	ack := &lockwirev1.EventAck{RequestId: m.GetRequestId(), BootEpoch: m.GetBootEpoch(), ReceivedUpTo: last, FromSequence: b.from[m.GetBootEpoch()]}
	if b.durable {
		ack.DurableUpTo = last
	}
	return b.p.send(ack)
}

// until reads and answers until done says so, asked after each message; m is that message.
func (b *inbox) until(wait time.Duration, done func(m any) (bool, error)) error {
	for end := time.Now().Add(wait); ; {
		m, err := b.p.next(time.Until(end))
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *lockwirev1.EventBatch:
			if err := b.take(m); err != nil {
				return err
			}
		case *lockwirev1.Ping:
			if err := b.p.send(&lockwirev1.Pong{Nonce: m.GetNonce(), ServerTimeMs: nowMS()}); err != nil {
				return err
			}
		}
		if ok, err := done(m); ok || err != nil {
			return err
		}
	}
}

// event waits for an event.
func (b *inbox) event(at place) (*lockwirev1.Event, error) {
	if e := b.events[at]; e != nil {
		return e, nil
	}
	err := b.until(b.p.patience, func(any) (bool, error) { return b.events[at] != nil, nil })
	if err != nil {
		return nil, fmt.Errorf("event %d of boot epoch %d does not come: %w", at.sequence, at.epoch, err)
	}
	return b.events[at], nil
}

// quiet reads until nothing came for a moment.
func (b *inbox) quiet() error {
	for {
		if err := b.until(700*time.Millisecond, func(any) (bool, error) { return true, nil }); err != nil {
			if broke(err) {
				return err
			}
			return nil
		}
	}
}

// presented has a card presented, and is what the lock asks.
func (b *inbox) presented(ctx context.Context, l *lockRun) (*lockwirev1.AccessRequest, error) {
	// A Welcome that was sent was not read yet: who presents a card now would find no session.
	ready := &lockwirev1.Ping{Nonce: nowMS()}
	if err := b.p.send(ready); err != nil {
		return nil, err
	}
	if err := b.until(b.p.patience, func(m any) (bool, error) {
		pong, ok := m.(*lockwirev1.Pong)
		return ok && pong.GetNonce() == ready.GetNonce(), nil
	}); err != nil {
		return nil, fmt.Errorf("no Pong: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- l.cfg.Operator.Present(ctx) }()
	const wait = 30 * time.Second // somebody has to walk to the lock
	var request *lockwirev1.AccessRequest
	err := b.until(wait, func(m any) (bool, error) {
		select {
		case err := <-done:
			done <- err
			if errors.Is(err, ErrCannot) {
				return false, skip("it takes somebody who presents a card")
			}
		default:
		}
		r, ok := m.(*lockwirev1.AccessRequest)
		request = r
		return ok, nil
	})
	return request, err
}
