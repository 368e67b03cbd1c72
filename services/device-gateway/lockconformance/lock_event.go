package lockconformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	granted  = lockwirev1.Outcome_OUTCOME_GRANTED
	denied_  = lockwirev1.Outcome_OUTCOME_DENIED
	receipt_ = "the receipt of conformance"
)

func denial(r *lockwirev1.AccessRequest) *lockwirev1.AccessDecision {
	return &lockwirev1.AccessDecision{RequestId: r.GetRequestId(), Outcome: denied_, Reason: 2, ValidForMs: 2000, Receipt: []byte(receipt_)}
}

func grant(r *lockwirev1.AccessRequest) *lockwirev1.AccessDecision {
	d := denial(r)
	d.Outcome, d.Reason, d.UnlockMs, d.Feedback = granted, 1, 500, lockwirev1.Feedback_FEEDBACK_GRANTED
	return d
}

// swiped has a card presented, answers, and is the event that the lock then writes.
func swiped(ctx context.Context, l *lockRun, answer func(p *peer, r *lockwirev1.AccessRequest) error) (*lockwirev1.AccessRequest, *lockwirev1.Event, error) {
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return nil, nil, err
	}
	defer p.bye()
	b := newInbox(p, true)
	r, err := b.presented(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	if err := answer(p, r); err != nil {
		return nil, nil, err
	}
	e, err := b.event(place{l.hello.GetBootEpoch(), r.GetEventSequence()})
	if err == nil && e.GetKind() != lockwirev1.EventKind_EVENT_KIND_ACCESS {
		err = fmt.Errorf("the event of the swipe is %s", e.GetKind())
	}
	return r, e, err
}

// did is a check that a swipe with an answer ends as it must. An answer has to be there within 2 s to count: a slow machine gets
// three tries.
func did(want lockwirev1.Outcome, receipt string, answer func(p *peer, r *lockwirev1.AccessRequest) error) check[*lockRun] {
	return func(ctx context.Context, l *lockRun) error {
		var e *lockwirev1.Event
		for range 3 {
			var err error
			if _, e, err = swiped(ctx, l, answer); err != nil {
				return err
			}
			if e.GetOutcome() == want && string(e.GetReceipt()) == receipt {
				return nil
			}
			if receipt == "" || len(e.GetReceipt()) > 0 {
				break // the answer counted, or must not
			}
		}
		return fmt.Errorf("its event says %s with receipt %q, not %s with %q", e.GetOutcome(), e.GetReceipt(), want, receipt)
	}
}

func lockOpens(ctx context.Context, l *lockRun) error {
	return did(granted, receipt_, func(p *peer, r *lockwirev1.AccessRequest) error { return p.send(grant(r)) })(ctx, l)
}

// lockStaysClosed: a denial, an outcome of a later version, feedback of a later version.
func lockStaysClosed(ctx context.Context, l *lockRun) error {
	return all(
		did(denied_, receipt_, func(p *peer, r *lockwirev1.AccessRequest) error { return p.send(denial(r)) }),
		did(denied_, receipt_, func(p *peer, r *lockwirev1.AccessRequest) error {
			d := grant(r)
			d.Outcome = 99
			return p.send(d)
		}))(ctx, l)
}

// lateDecision: a grant that comes after its valid_for_ms opens nothing.
func lateDecision(ctx context.Context, l *lockRun) error {
	return did(denied_, "", func(p *peer, r *lockwirev1.AccessRequest) error {
		d := grant(r)
		d.ValidForMs = 100
		if !pause(ctx, 400*time.Millisecond) {
			return ctx.Err()
		}
		return p.send(d)
	})(ctx, l)
}

// withoutAnswer: an Error for the request, and the lock decides by itself.
func withoutAnswer(ctx context.Context, l *lockRun) error {
	return did(denied_, "", func(p *peer, r *lockwirev1.AccessRequest) error {
		return p.send(&lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestId: r.GetRequestId(), RetryAfterMs: 100})
	})(ctx, l)
}

// faultyDecision: a grant outside of its limits opens nothing, and the gateway is told.
func faultyDecision(ctx context.Context, l *lockRun) error {
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	b := newInbox(p, true)
	r, err := b.presented(ctx, l)
	if err != nil {
		p.bye()
		return err
	}
	d := grant(r)
	d.UnlockMs = 100
	if err := p.unchecked(d); err != nil {
		return err
	}
	if err := p.refused(malformed); err != nil {
		return err
	}
	p.cut()
	epoch := l.hello.GetBootEpoch()
	next, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer next.bye()
	e, err := newInbox(next, true).event(place{epoch, r.GetEventSequence()})
	if err == nil && e.GetOutcome() == granted {
		return errors.New("it opened")
	}
	return err
}

func reservesItsEvent(ctx context.Context, l *lockRun) error {
	_, _, err := swiped(ctx, l, func(p *peer, r *lockwirev1.AccessRequest) error { return p.send(denial(r)) })
	return err
}

func wellFormedCard(ctx context.Context, l *lockRun) error {
	r, _, err := swiped(ctx, l, func(p *peer, r *lockwirev1.AccessRequest) error { return p.send(denial(r)) })
	if err == nil && r.GetCard() == nil && r.GetPin() == "" {
		return errors.New("it asks without card and digits") // the codec checked the rest
	}
	return err
}

// bootFirst: the first event of a boot epoch is BOOT.
func bootFirst(ctx context.Context, l *lockRun) error {
	if err := l.boot(ctx); err != nil {
		return err
	}
	return inLock(func(_ context.Context, l *lockRun, p *peer) error {
		e, err := newInbox(p, false).event(place{l.hello.GetBootEpoch(), 1})
		if err == nil && e.GetKind() != lockwirev1.EventKind_EVENT_KIND_BOOT {
			return fmt.Errorf("the first event is %s", e.GetKind())
		}
		return err
	})(ctx, l)
}

// oldestFirst: in a session epochs rise, and in each the sequences follow without gaps.
func oldestFirst(ctx context.Context, l *lockRun) error {
	if err := l.boot(ctx); err != nil {
		return err
	}
	return inLock(func(_ context.Context, l *lockRun, p *peer) error {
		b := newInbox(p, false)
		if _, err := b.event(place{l.hello.GetBootEpoch(), 1}); err != nil {
			return err
		}
		if err := b.quiet(); err != nil {
			return err
		}
		for i, at := range b.order[1:] {
			last := b.order[i]
			follows := at.epoch == last.epoch && at.sequence == last.sequence+1
			gap := b.events[at].GetKind() == lockwirev1.EventKind_EVENT_KIND_GAP
			if at.epoch < last.epoch || at.epoch == last.epoch && !follows && !gap {
				return fmt.Errorf("event %d.%d comes after %d.%d", at.epoch, at.sequence, last.epoch, last.sequence)
			}
		}
		return nil
	})(ctx, l)
}

// freesByDurable: what was only received comes again in a new session, as it was; what is durable does not.
func freesByDurable(ctx context.Context, l *lockRun) error {
	if err := l.boot(ctx); err != nil {
		return err
	}
	at := place{}
	var first *lockwirev1.Event
	for i, durable := range []bool{false, true, true} {
		p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
		if err != nil {
			return err
		}
		at = place{l.hello.GetBootEpoch(), 1}
		b := newInbox(p, durable)
		switch i {
		case 0:
			first, err = b.event(at)
		case 1:
			var again *lockwirev1.Event
			if again, err = b.event(at); err == nil && again.GetUptimeMs() != first.GetUptimeMs() {
				err = errors.New("the same event came again with other content")
			}
		default:
			if err = b.quiet(); err == nil && b.events[at] != nil {
				err = errors.New("a durable event comes again")
			}
		}
		p.bye()
		if err != nil {
			return err
		}
	}
	return nil
}

// goesBack: a batch that was refused comes again from its beginning, and not before it may. What is behind it is refused, too.
func goesBack(ctx context.Context, l *lockRun) error {
	if err := l.boot(ctx); err != nil {
		return err
	}
	return inLock(func(_ context.Context, _ *lockRun, p *peer) error {
		m, err := await[*lockwirev1.EventBatch](p, p.patience)
		if err != nil {
			return err
		}
		began := time.Now()
		refuse := func(m *lockwirev1.EventBatch) error {
			return p.send(&lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestId: m.GetRequestId(), RetryAfterMs: 1000})
		}
		if err := refuse(m); err != nil {
			return err
		}
		for end := began.Add(p.patience); ; {
			again, err := await[*lockwirev1.EventBatch](p, time.Until(end))
			if err != nil {
				return fmt.Errorf("batch %d was refused and does not come again: %w", m.GetFirstSequence(), err)
			}
			if again.GetBootEpoch() == m.GetBootEpoch() && again.GetFirstSequence() > m.GetFirstSequence() {
				if err := refuse(again); err != nil {
					return err
				}
				continue
			}
			if again.GetFirstSequence() != m.GetFirstSequence() || again.GetBootEpoch() != m.GetBootEpoch() {
				return fmt.Errorf("after %d of boot epoch %d was refused comes %d of %d", m.GetFirstSequence(), m.GetBootEpoch(), again.GetFirstSequence(), again.GetBootEpoch())
			}
			if took := time.Since(began); took < 950*time.Millisecond {
				return fmt.Errorf("it comes again after %s, where 1 s was asked for", took)
			}
			return newInbox(p, true).take(again)
		}
	})(ctx, l)
}
