package lockconformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

func sessionRules() []rule {
	return []rule{
		{name: "R-HELLO-1", gateway: first(lockwirev1.ErrorCode_ERROR_CODE_IDENTITY_MISMATCH, func(g *gatewayRun, p *peer) error {
			h := g.hello()
			h.DeviceId = "device_of_another"
			return p.send(h)
		}), lock: func(_ context.Context, l *lockRun) error { return l.identity() }},
		{name: "R-HELLO-2", gateway: first(badVersion, func(g *gatewayRun, p *peer) error {
			h := g.hello()
			h.Versions = []uint32{9}
			return p.send(h)
		}), lock: inLock(func(_ context.Context, l *lockRun, _ *peer) error {
			for _, v := range l.hello.GetVersions() {
				if v == 1 {
					return nil
				}
			}
			return fmt.Errorf("versions are %v", l.hello.GetVersions())
		})},
		{name: "R-HELLO-3", gateway: first(unexpected, func(_ *gatewayRun, p *peer) error { return p.send(&lockwirev1.Ping{}) })},
		{name: "R-HELLO-4", gateway: refuses(unexpected, func(g *gatewayRun, p *peer) error { return p.send(g.hello()) })},
		{name: "R-HELLO-5", gateway: welcomeFirst},
		{name: "R-HELLO-6", gateway: revokedDevice, lockNote: "R-DIAL-3 and R-DIAL-4"},
		{name: "R-HELLO-7", lock: quietBeforeWelcome},
		{name: "R-HELLO-8", lock: bootEpochRises},
		{name: "R-HELLO-9", gateway: durableInWelcome, lock: lockFreesByWelcome},
		{name: "R-RESUME-1", gateway: resumed, lock: asksToGoOn},
		{name: "R-RESUME-2", gateway: marksGoOn, lock: goesOn},
		{name: "R-RESUME-3", gateway: commandGoesOn},
		{name: "R-RESUME-4", lock: all(beginsAnew, forgetsByBoot)},
		bothTake("R-BEAT-1", func(p *peer) error {
			if err := p.send(&lockwirev1.Ping{Nonce: 1 << 63}); err != nil {
				return err
			}
			if err := pongs(p, 1<<63); err != nil {
				return err
			}
			if err := p.send(&lockwirev1.Pong{Nonce: 5}); err != nil {
				return err
			}
			return p.alive()
		}),
		{name: "R-BEAT-2", lock: beats},
		{name: "R-BEAT-3", gateway: silentLock},
		{name: "R-BEAT-4", lock: silentGateway},
		{name: "R-DEAD-1", lock: deadLine},
		{name: "R-ONE-1", gateway: newerSession, lockNote: "this kit is one gateway only"},
		{name: "R-REQ-1", gateway: all(
			refuses(malformed, func(g *gatewayRun, p *peer) error { return p.send(g.swipe(2, 1), g.swipe(2, 2)) }),
			in(func(_ context.Context, g *gatewayRun, p *peer) error {
				if err := p.send(g.swipe(1, 1), g.swipe(9, 2)); err != nil {
					return err
				}
				return answers(p, 1, 9)
			}))},
		{name: "R-REQ-2", lock: lockCounts},
		{name: "R-REQ-3", gateway: in(func(_ context.Context, g *gatewayRun, p *peer) error {
			if err := p.send(g.swipe(1, 2), g.boot(2), g.swipe(3, 3)); err != nil {
				return err
			}
			return answers(p, 1, 2, 3)
		})},
		{name: "R-CREDIT-1", gateway: fullCredit},
		{name: "R-CREDIT-2", lock: lockKeepsCredit},
		{name: "R-RATE-1", gateway: in(func(_ context.Context, _ *gatewayRun, p *peer) error {
			frames := bytes.Repeat([]byte{0, 0, 0, 2, 1, 2}, 20_000) // Pongs, which nobody answers
			if err := p.raw(frames); err != nil && !broke(err) {
				return err
			}
			return p.refused(lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT)
		})},
		{name: "R-LEAVE-1", gatewayNote: "it takes a gateway that is stopped", lock: leaves},
	}
}

func welcomeFirst(ctx context.Context, g *gatewayRun) error {
	p, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	h := g.hello()
	h.Versions = []uint32{9, 1}
	if err := p.send(h, &lockwirev1.Ping{Nonce: 1}); err != nil {
		return err
	}
	m, err := p.next(p.patience)
	if err != nil {
		return err
	}
	w, ok := m.(*lockwirev1.Welcome) // its limits were checked when it was read
	if !ok {
		return fmt.Errorf("the first message is %s", name(m))
	}
	if w.GetVersion() != 1 || w.GetResumed() {
		return fmt.Errorf("version %d, resumed %v", w.GetVersion(), w.GetResumed())
	}
	return nil
}

// swipe is an access request with a card that nobody has.
func (g *gatewayRun) swipe(id, sequence uint64) *lockwirev1.AccessRequest {
	return &lockwirev1.AccessRequest{
		RequestId: id, EventSequence: sequence, Direction: lockwirev1.Direction_DIRECTION_IN,
		Card: &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: 80, Bits: []byte("stranger..")},
	}
}

// events is a batch of this boot epoch.
func (g *gatewayRun) events(id, first uint64, n int) *lockwirev1.EventBatch {
	b := &lockwirev1.EventBatch{RequestId: id, BootEpoch: g.epoch, FirstSequence: first}
	for i := range n {
		kind := lockwirev1.EventKind_EVENT_KIND_ACCESS
		if first == 1 && i == 0 {
			kind = lockwirev1.EventKind_EVENT_KIND_BOOT
		}
		b.Events = append(b.Events, &lockwirev1.Event{
			Kind: kind, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, LockTimeMs: uint64(time.Now().UnixMilli()),
			ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED,
		})
	}
	return b
}

func (g *gatewayRun) boot(id uint64) *lockwirev1.EventBatch { return g.events(id, 1, 1) }

// answers waits for exactly one answer to each request, and looks whether more come.
func answers(p *peer, ids ...uint64) error {
	open := map[uint64]bool{}
	for _, id := range ids {
		open[id] = true
	}
	deadline := time.Now().Add(p.patience)
	settled := false
	for {
		wait := time.Until(deadline)
		if settled {
			wait = 200 * time.Millisecond
		}
		m, err := p.next(wait)
		if err != nil {
			if settled && !broke(err) {
				return nil
			}
			return fmt.Errorf("requests without an answer: %v: %w", open, err)
		}
		r, ok := m.(interface{ GetRequestId() uint64 })
		if !ok || r.GetRequestId() == 0 {
			continue
		}
		if !open[r.GetRequestId()] {
			return fmt.Errorf("%s answers request %d, which was answered or never made", name(m), r.GetRequestId())
		}
		delete(open, r.GetRequestId())
		settled = len(open) == 0
	}
}

func fullCredit(ctx context.Context, g *gatewayRun) error {
	p, w, err := g.session(ctx, g.hello())
	if err != nil {
		return err
	}
	defer p.close()
	id, sequence := uint64(0), uint64(0)
	var ids []uint64
	for range w.GetEventCredit() {
		id, sequence = id+1, sequence+1
		if err := p.send(g.events(id, sequence, 1)); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for range w.GetAccessCredit() {
		id, sequence = id+1, sequence+1
		if err := p.send(g.swipe(id, sequence)); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return answers(p, ids...)
}

func durableInWelcome(ctx context.Context, g *gatewayRun) error {
	h := g.hello()
	p, _, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.send(g.events(1, 1, 3)); err != nil {
		return err
	}
	if err := durable(p, 3); err != nil {
		return err
	}
	p.close()
	again, w, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	defer again.close()
	if w.GetDurableUpTo() > 3 {
		return fmt.Errorf("durable_up_to is %d, where 3 were sent", w.GetDurableUpTo())
	}
	if w.GetDurableUpTo() < 3 {
		return skip(fmt.Sprintf("durable_up_to is %d, which is allowed", w.GetDurableUpTo()))
	}
	return nil
}

// durable waits until the gateway says that events up to a sequence are.
func durable(p *peer, upTo uint64) error {
	for end := time.Now().Add(2 * p.patience); ; {
		ack, err := await[*lockwirev1.EventAck](p, time.Until(end))
		if err != nil {
			return fmt.Errorf("events do not become durable: %w", err)
		}
		if ack.GetDurableUpTo() >= upTo {
			return nil
		}
	}
}

// resumed: a session that broke goes on; one of an earlier boot does not.
func resumed(ctx context.Context, g *gatewayRun) error {
	h := g.hello()
	p, w, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	p.cut()
	h.ResumeSession = w.GetSession()
	again, second, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	again.cut()
	if !second.GetResumed() || !bytes.Equal(second.GetSession(), w.GetSession()) {
		return fmt.Errorf("a session that broke does not go on: resumed %v", second.GetResumed())
	}
	other := g.hello()
	other.ResumeSession = w.GetSession()
	last, third, err := g.session(ctx, other)
	if err != nil {
		return err
	}
	last.close()
	if third.GetResumed() || bytes.Equal(third.GetSession(), w.GetSession()) {
		return errors.New("a session goes on after a boot")
	}
	return nil
}

// marksGoOn: after a break request ids go on rising, and what was received is said again.
func marksGoOn(ctx context.Context, g *gatewayRun) error {
	h := g.hello()
	p, w, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	if err := p.send(g.events(5, 1, 2)); err != nil {
		return err
	}
	if _, err := await[*lockwirev1.EventAck](p, p.patience); err != nil {
		return err
	}
	p.cut()
	h.ResumeSession = w.GetSession()
	again, second, err := g.session(ctx, h)
	if err != nil {
		return err
	}
	defer again.close()
	if !second.GetResumed() {
		return errors.New("a session that broke does not go on")
	}
	ack, err := await[*lockwirev1.EventAck](again, again.patience)
	if err != nil {
		return err
	}
	if ack.GetRequestId() != 0 || ack.GetBootEpoch() != h.GetBootEpoch() || ack.GetReceivedUpTo() != 2 || ack.GetFromSequence() != 1 {
		return fmt.Errorf("the marks are %v", ack)
	}
	if err := again.send(g.events(5, 3, 1)); err != nil {
		return err
	}
	return again.refused(malformed)
}

func silentLock(ctx context.Context, g *gatewayRun) error {
	p, w, err := g.session(ctx, g.hello())
	if err != nil {
		return err
	}
	defer p.close()
	wait := 2 * time.Duration(w.GetHeartbeatMs()) * time.Millisecond
	if wait > 15*time.Second && !g.cfg.Slow {
		return skip(fmt.Sprintf("it takes %s; only with -slow", wait))
	}
	for end := time.Now().Add(wait + p.patience); ; {
		m, err := p.next(time.Until(end))
		if err != nil {
			return fmt.Errorf("not TIMED_OUT after %s of silence: %w", wait, err)
		}
		if e, ok := m.(*lockwirev1.Error); ok {
			if e.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT {
				return fmt.Errorf("Error %s", code(e.GetCode()))
			}
			return p.ends()
		}
	}
}

func newerSession(ctx context.Context, g *gatewayRun) error {
	older, _, err := g.session(ctx, g.hello())
	if err != nil {
		return err
	}
	defer older.close()
	newer, _, err := g.session(ctx, g.hello())
	if err != nil {
		return err
	}
	defer newer.close()
	if err := older.refused(unexpected); err != nil {
		return err
	}
	return newer.alive()
}
