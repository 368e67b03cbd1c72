package lockconformance

import (
	"context"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

func eventRules() []rule {
	gap := func(first, lost uint64, more int) func(g *gatewayRun, p *peer) error {
		return func(g *gatewayRun, p *peer) error {
			m := g.events(2, first, 1+more)
			m.Events[0] = &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: lost}
			return p.send(g.events(1, 5, 2), m)
		}
	}
	return []rule{
		{name: "R-EVENT-1", lock: bootFirst},
		{name: "R-EVENT-2", lock: oldestFirst},
		{name: "R-EVENT-3", gateway: refuses(malformed, func(g *gatewayRun, p *peer) error {
			m := g.events(1, 1, 1)
			m.BootEpoch++
			return p.send(m)
		})},
		{name: "R-EVENT-4", gateway: all(
			refuses(malformed, func(g *gatewayRun, p *peer) error { return p.send(g.events(1, 5, 2), g.events(2, 4, 1)) }),
			refuses(malformed, func(g *gatewayRun, p *peer) error { return p.send(g.events(1, 5, 2), g.events(2, 8, 1)) })),
			lock: oldestFirst},
		{name: "R-EVENT-5", gateway: all(
			refuses(malformed, gap(20, 12, 0)), // reaches back to 9, and 7 was due
			refuses(malformed, func(g *gatewayRun, p *peer) error {
				m := g.events(1, 1, 2)
				m.Events[1] = &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: 1}
				return p.unchecked(m)
			})), lockNote: "it takes a ring that overflows"},
		{name: "R-ACK-1", gateway: in(func(_ context.Context, g *gatewayRun, p *peer) error {
			if err := p.send(g.events(1, 1, 2)); err != nil {
				return err
			}
			ack, err := await[*lockwirev1.EventAck](p, p.patience)
			if err != nil {
				return err
			}
			if ack.GetRequestId() != 1 || ack.GetReceivedUpTo() != 2 {
				return fmt.Errorf("the first answer is %v", ack)
			}
			if ack.GetDurableUpTo() == 2 {
				return nil
			}
			return durable(p, 2)
		})},
		{name: "R-ACK-2", gateway: in(func(_ context.Context, g *gatewayRun, p *peer) error {
			if err := p.send(g.events(1, 5, 2)); err != nil {
				return err
			}
			ack, err := await[*lockwirev1.EventAck](p, p.patience)
			if err != nil {
				return err
			}
			if ack.GetFromSequence() != 5 || ack.GetReceivedUpTo() != 6 || ack.GetBootEpoch() != g.epoch {
				return fmt.Errorf("for 5 and 6 the answer is %v", ack)
			}
			return nil
		})},
		{name: "R-ACK-3", gatewayNote: "that they are safe is seen in the ledger", lock: freesByDurable},
		{name: "R-ACK-4", gateway: gapIsNotWaitedFor},
		{name: "R-EVENT-6", lock: goesBack},
		{name: "R-EVENT-7", lock: freesByDurable},
		{name: "R-EVENT-8", gateway: resendIsTaken},
	}
}

func gapIsNotWaitedFor(ctx context.Context, g *gatewayRun) error {
	return in(func(_ context.Context, g *gatewayRun, p *peer) error {
		m := g.events(1, 40, 2)
		m.Events[0] = &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: 39}
		if err := p.send(m); err != nil {
			return err
		}
		ack, err := await[*lockwirev1.EventAck](p, p.patience)
		if err != nil {
			return err
		}
		if ack.GetFromSequence() != 2 {
			return fmt.Errorf("from_sequence is %d, where the GAP accounts for 2 to 40", ack.GetFromSequence())
		}
		if ack.GetDurableUpTo() == 41 {
			return nil
		}
		return durable(p, 41)
	})(ctx, g)
}

func resendIsTaken(ctx context.Context, g *gatewayRun) error {
	h := g.hello()
	for range 2 {
		p, _, err := g.session(ctx, h)
		if err != nil {
			return err
		}
		defer p.close()
		if err := p.send(g.events(1, 1, 3), g.events(2, 2, 3)); err != nil {
			return err
		}
		for received, end := uint64(0), time.Now().Add(p.patience); received < 4; {
			ack, err := await[*lockwirev1.EventAck](p, time.Until(end))
			if err != nil {
				return err
			}
			if ack.GetReceivedUpTo() < received {
				return fmt.Errorf("received_up_to fell from %d to %d", received, ack.GetReceivedUpTo())
			}
			received = ack.GetReceivedUpTo()
		}
		p.close()
	}
	return nil
}
