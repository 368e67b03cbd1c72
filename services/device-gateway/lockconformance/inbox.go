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
		if errors.Is(err, errNothing) {
			return fmt.Errorf("%w in %s", errNothing, wait)
		}
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
func (b *inbox) event(at place) (*lockwirev1.Event, error) { return b.eventWithin(b.p.patience, at) }

func (b *inbox) eventWithin(wait time.Duration, at place) (*lockwirev1.Event, error) {
	if b.events[at] == nil {
		if err := b.until(wait, func(any) (bool, error) { return b.events[at] != nil, nil }); err != nil {
			return nil, fmt.Errorf("event %d of boot epoch %d does not come: %w", at.sequence, at.epoch, err)
		}
	}
	return b.events[at], nil
}

// settle is how long it is waited for what must not come, or need not.
const settle = 700 * time.Millisecond

// quiet reads until nothing came for a moment.
func (b *inbox) quiet() error {
	for {
		switch err := b.until(settle, func(any) (bool, error) { return true, nil }); {
		case errors.Is(err, errNothing):
			return nil
		case err != nil:
			return err
		}
	}
}

// ready waits until the lock has read all that it was sent: a Welcome that it has not read is no session yet.
func (b *inbox) ready() error {
	ping := &lockwirev1.Ping{Nonce: uint64(time.Now().UnixNano())}
	if err := b.p.send(ping); err != nil {
		return err
	}
	err := b.until(b.p.patience, func(m any) (bool, error) {
		pong, ok := m.(*lockwirev1.Pong)
		return ok && pong.GetNonce() == ping.GetNonce(), nil
	})
	if err != nil {
		return fmt.Errorf("no Pong: %w", err)
	}
	return nil
}

// presented has a card presented, and is what the lock asks.
func (b *inbox) presented(ctx context.Context, l *lockRun) (*lockwirev1.AccessRequest, error) {
	return b.asked(ctx, l.cfg.Operator.Present)
}

// asked has the operator do something after which the lock asks.
func (b *inbox) asked(ctx context.Context, act func(context.Context) error) (*lockwirev1.AccessRequest, error) {
	if err := b.ready(); err != nil {
		return nil, err
	}
	acted := make(chan error, 1)
	acting, stop := context.WithCancel(ctx)
	defer stop() // when the request is there nobody needs to say that it was done
	go func() { acted <- act(acting) }()
	const walk = 2 * time.Minute // somebody has to go to the lock
	for end := time.Now().Add(walk); time.Now().Before(end) && ctx.Err() == nil; {
		var request *lockwirev1.AccessRequest
		err := b.until(200*time.Millisecond, func(m any) (ok bool, _ error) {
			request, ok = m.(*lockwirev1.AccessRequest)
			return ok, nil
		})
		if err == nil {
			return request, nil
		}
		if !errors.Is(err, errNothing) {
			return nil, err
		}
		select {
		case err := <-acted:
			if err != nil {
				return nil, operated(err)
			}
		default:
		}
	}
	return nil, errors.New("no AccessRequest came")
}
