package lockconformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// otherServerName: a server of the root with another name gets nothing. (Another root is R-ENROLL-1.)
func otherServerName(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	p.bye()
	p, err = l.accept(ctx, l.strayName)
	if err != nil {
		return nil // it ended the handshake
	}
	defer p.cut()
	if m, err := p.next(p.patience); err == nil {
		return fmt.Errorf("a server with another name gets %s", name(m))
	}
	return nil
}

func quietBeforeWelcome(ctx context.Context, l *lockRun) error {
	p, err := l.greeted(ctx)
	if err != nil {
		return err
	}
	defer p.bye()
	if m, err := p.next(500 * time.Millisecond); err == nil {
		return fmt.Errorf("%s comes between Hello and Welcome", name(m))
	}
	return p.send(welcome())
}

func bootEpochRises(ctx context.Context, l *lockRun) error {
	if l.hello == nil || l.hello.GetBootEpoch() == 0 {
		return errors.New("boot_epoch is 0")
	}
	before := l.hello.GetBootEpoch()
	if err := l.boot(ctx); err != nil {
		return err
	}
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer p.bye()
	if got := l.hello.GetBootEpoch(); got != before+1 {
		return fmt.Errorf("after a boot boot_epoch went from %d to %d", before, got)
	}
	return nil
}

// lockFreesByWelcome: what Welcome says is durable does not come again.
func lockFreesByWelcome(ctx context.Context, l *lockRun) error {
	p, err := l.greeted(ctx)
	if err != nil {
		return err
	}
	defer p.bye()
	w, head := welcome(), l.hello.GetJournalHead()
	if head == 0 {
		return errors.Join(p.send(w), skip("journal_head is 0: the lock does not say what it has"))
	}
	w.DurableUpTo = head
	if err := p.send(w); err != nil {
		return err
	}
	b := newInbox(p, true)
	if err := b.quiet(); err != nil {
		return err
	}
	for _, at := range b.order {
		if at.epoch == l.hello.GetBootEpoch() && at.sequence <= head {
			return fmt.Errorf("event %d comes, though Welcome said that %d is durable", at.sequence, head)
		}
	}
	return nil
}

// beginsAnew: a session that is not resumed begins with request 1.
func beginsAnew(ctx context.Context, l *lockRun) error {
	for range 2 {
		p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
		if err != nil {
			return err
		}
		b := newInbox(p, false)
		request, err := b.presented(ctx, l)
		if err != nil {
			p.bye()
			return err
		}
		first := request.GetRequestId()
		for _, m := range b.batches {
			first = min(first, m.GetRequestId())
		}
		p.cut()
		if first != 1 {
			return fmt.Errorf("the lowest request id is %d", first)
		}
	}
	return nil
}

func beats(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(w *lockwirev1.Welcome) { w.HeartbeatMs = 2000 })
	if err != nil {
		return err
	}
	defer p.bye()
	if err := newInbox(p, true).quiet(); err != nil {
		return err
	}
	for range 2 {
		// Twice what is asked for, and a slow machine's time; a lock that beats as it likes, each 30 s, is still seen.
		if _, err := await[*lockwirev1.Ping](p, 15*time.Second); err != nil {
			return fmt.Errorf("with heartbeat_ms 2000: %w", err)
		}
	}
	return nil
}

func silentGateway(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(w *lockwirev1.Welcome) { w.HeartbeatMs = 1000 })
	if err != nil {
		return err
	}
	defer p.cut()
	if err := p.ends(); err != nil {
		return fmt.Errorf("nothing came for 2 s: %w", err)
	}
	return nil
}

// deadLine: no answer to an AccessRequest, then none to a Ping, and the lock leaves: in 3 s, where a heartbeat alone would take 60.
func deadLine(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer p.cut()
	b := newInbox(p, true)
	if err := b.quiet(); err != nil {
		return err
	}
	if _, err := b.presented(ctx, l); err != nil {
		return err
	}
	began := time.Now()
	if _, err := await[*lockwirev1.Ping](p, p.patience); err != nil {
		return fmt.Errorf("no Ping after a request without an answer: %w", ended(err))
	}
	if err := p.ends(); err != nil {
		return err
	}
	return remark(fmt.Sprintf("it left after %s", time.Since(began).Round(100*time.Millisecond)))
}

// lockCounts: request ids are 1, 2, 3 ...
func lockCounts(ctx context.Context, l *lockRun) error {
	return inLock(func(ctx context.Context, l *lockRun, p *peer) error {
		b := newInbox(p, true)
		request, err := b.presented(ctx, l)
		if err != nil {
			return err
		}
		ids := map[uint64]bool{request.GetRequestId(): true}
		highest := request.GetRequestId()
		for _, m := range b.batches {
			ids[m.GetRequestId()] = true
			highest = max(highest, m.GetRequestId())
		}
		for id := uint64(1); id <= highest; id++ {
			if !ids[id] {
				return fmt.Errorf("request %d is left out", id)
			}
		}
		return nil
	})(ctx, l)
}

// lockKeepsCredit: with event_credit 1 a second batch waits for the answer to the first.
func lockKeepsCredit(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(w *lockwirev1.Welcome) { w.EventCredit = 1 })
	if err != nil {
		return err
	}
	defer p.bye()
	b := newInbox(p, false)
	request, err := b.presented(ctx, l)
	if err != nil {
		return err
	}
	if err := p.send(denial(request)); err != nil {
		return err
	}
	batch, err := await[*lockwirev1.EventBatch](p, p.patience)
	if err != nil {
		return err
	}
	for end := time.Now().Add(2 * time.Second); ; {
		m, err := p.next(time.Until(end))
		if err != nil {
			return nil
		}
		if second, ok := m.(*lockwirev1.EventBatch); ok {
			return fmt.Errorf("batch %d comes before %d was answered, with event_credit 1", second.GetRequestId(), batch.GetRequestId())
		}
	}
}

// leaves: after GoAway the lock closes and dials again by itself. How fast is only told: it cannot be seen from how slow the machine is.
func leaves(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer p.cut()
	if err := newInbox(p, true).ready(); err != nil {
		return err
	}
	began := time.Now()
	if err := p.send(&lockwirev1.GoAway{WithinMs: 2000}); err != nil {
		return err
	}
	if err := p.ends(); err != nil {
		return err
	}
	left := time.Now()
	next, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	next.bye()
	took, away := left.Sub(began), time.Since(left)
	const slow = 15 * time.Second // of a machine
	if took > 2*time.Second+slow || away > slow {
		return fmt.Errorf("it left after %s and dialled %s later", took.Round(time.Second), away.Round(time.Second))
	}
	return remark(fmt.Sprintf("it left after %s and dialled %s later", took.Round(10*time.Millisecond), away.Round(10*time.Millisecond)))
}

// waitsAsAsked: with retry_after_ms the lock does not come earlier.
func waitsAsAsked(ctx context.Context, l *lockRun) error {
	p, err := l.greeted(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := p.send(&lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, Text: "come later", RetryAfterMs: 3000}); err != nil {
		return err
	}
	p.close()
	next, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	next.bye()
	if took := time.Since(began); took < 2950*time.Millisecond {
		return fmt.Errorf("it comes back after %s", took)
	}
	return nil
}
