package lockconformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// brokenSession is a session in which events came that were received and are not durable yet, and that broke then.
func (l *lockRun) brokenSession(ctx context.Context) (session []byte, b *inbox, asked *lockwirev1.AccessRequest, err error) {
	p, err := l.session(ctx, func(w *lockwirev1.Welcome) { session = w.GetSession() })
	if err != nil {
		return nil, nil, nil, err
	}
	defer p.cut()
	b = newInbox(p, false)
	if asked, err = b.presented(ctx, l); err != nil {
		return nil, nil, nil, err
	}
	if err := p.send(denial(asked)); err != nil {
		return nil, nil, nil, err
	}
	if _, err := b.event(place{l.hello.GetBootEpoch(), asked.GetEventSequence()}); err != nil {
		return nil, nil, nil, err
	}
	return session, b, asked, b.ready() // the acknowledgement was read
}

const noResume = skip("the lock does not ask for it, which is allowed")

// asksToGoOn: the lock that lost a session names it, in the same boot epoch.
func asksToGoOn(ctx context.Context, l *lockRun) error {
	session, _, _, err := l.brokenSession(ctx)
	if err != nil {
		return err
	}
	epoch := l.hello.GetBootEpoch()
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer p.bye()
	switch {
	case len(l.hello.GetResumeSession()) == 0:
		return noResume
	case !bytes.Equal(l.hello.GetResumeSession(), session) || l.hello.GetBootEpoch() != epoch:
		return fmt.Errorf("it names session %x in boot epoch %d, where %x of %d broke", l.hello.GetResumeSession(), l.hello.GetBootEpoch(), session, epoch)
	}
	return nil
}

// goesOn: in a resumed session request ids go on rising, and what was received does not come again.
func goesOn(ctx context.Context, l *lockRun) error {
	session, before, asked, err := l.brokenSession(ctx)
	if err != nil {
		return err
	}
	highest := asked.GetRequestId()
	for _, m := range before.batches {
		highest = max(highest, m.GetRequestId())
	}
	p, err := l.greeted(ctx)
	if err != nil {
		return err
	}
	defer p.bye()
	if !bytes.Equal(l.hello.GetResumeSession(), session) {
		return errors.Join(p.send(welcome()), noResume)
	}
	w := welcome()
	w.Session, w.Resumed = session, true
	if err := p.send(w); err != nil {
		return err
	}
	for epoch, last := range before.upTo() {
		if err := p.send(&lockwirev1.EventAck{BootEpoch: epoch, ReceivedUpTo: last, FromSequence: before.from[epoch]}); err != nil {
			return err
		}
	}
	b := newInbox(p, false)
	b.from = before.from
	again, err := b.presented(ctx, l)
	if err != nil {
		return err
	}
	if err := p.send(denial(again)); err != nil {
		return err
	}
	if _, err := b.event(place{l.hello.GetBootEpoch(), again.GetEventSequence()}); err != nil {
		return err
	}
	lowest := again.GetRequestId()
	for _, m := range b.batches {
		lowest = min(lowest, m.GetRequestId())
	}
	if lowest <= highest {
		return fmt.Errorf("request id %d comes after %d, in a session that went on", lowest, highest)
	}
	for _, at := range b.order {
		if before.events[at] != nil {
			return fmt.Errorf("event %d of boot epoch %d comes again, which was received in this session", at.sequence, at.epoch)
		}
	}
	return nil
}

// upTo is the highest sequence that came of each boot epoch.
func (b *inbox) upTo() map[uint64]uint64 {
	highest := map[uint64]uint64{}
	for _, at := range b.order {
		highest[at.epoch] = max(highest[at.epoch], at.sequence)
	}
	return highest
}

// forgetsByBoot: a boot is the end of a session.
func forgetsByBoot(ctx context.Context, l *lockRun) error {
	if err := l.boot(ctx); err != nil {
		return operatedOr(err, nil)
	}
	p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer p.bye()
	if len(l.hello.GetResumeSession()) > 0 {
		return errors.New("after a boot it asks to go on with a session")
	}
	return nil
}
