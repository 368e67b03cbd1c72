package session

import (
	"context"
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"go.opentelemetry.io/otel/trace"
)

// eventBatch checks a batch's place and hands it to the worker, so that access requests do not wait for the disk.
func (s *session) eventBatch(ctx context.Context, m *lockwirev1.EventBatch) error {
	if err := s.request(m.GetRequestId()); err != nil {
		return err
	}
	if err := s.follows(m); err != nil {
		return err
	}
	s.noteDoor(m, s.hub.cfg.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight >= eventCredit {
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT, RequestID: m.GetRequestId(), Text: "more batches than event_credit"}
	}
	s.inFlight++
	s.batches = append(s.batches, m)
	s.wakeWorker(ctx)
	return nil
}

// wakeWorker is called with mu held.
func (s *session) wakeWorker(ctx context.Context) {
	if s.nudge == nil {
		s.nudge = make(chan struct{}, 1)
	}
	if !s.working {
		s.working = true
		s.worker.Go(func() { s.work(ctx) })
		return
	}
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// startWorker lets a resumed session follow what is not durable yet.
func (s *session) startWorker(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.progress) > 0 {
		s.wakeWorker(ctx)
	}
}

// sent is what the lock has sent of one boot epoch in this session: from the lowest to before next. The reader's alone.
type sent struct{ from, next uint64 }

// follows holds a batch to the rule that nothing is left out in silence: the first batch of an epoch says where the lock
// begins, later ones begin in what was sent, right after it, or with a GAP that reaches back to it.
func (s *session) follows(m *lockwirev1.EventBatch) error {
	epoch, first := m.GetBootEpoch(), m.GetFirstSequence()
	malformed := func(format string, args ...any) error {
		return &wire.ProtocolError{
			Code: lockwirev1.ErrorCode_ERROR_CODE_MALFORMED, RequestID: m.GetRequestId(), Text: fmt.Sprintf(format, args...),
		}
	}
	if epoch > s.bootEpoch {
		return malformed("boot_epoch %d is after Hello's %d", epoch, s.bootEpoch)
	}
	all := s.sent[epoch]
	switch {
	case all == nil && len(s.sent) == maxEpochs:
		return malformed("events of more than %d boot epochs in one session", maxEpochs)
	case all == nil:
		all = &sent{from: covers(m)}
		s.sent[epoch] = all
	case first < all.from:
		return malformed("first_sequence %d is below %d, where the session began", first, all.from)
	case first > all.next && covers(m) > all.next:
		return malformed("first_sequence %d where %d was due, without a GAP that reaches back to it", first, all.next)
	}
	all.next = max(all.next, first+uint64(len(m.GetEvents())))
	return nil
}

// covers is the lowest sequence that a batch accounts for: its first, or what a GAP there reaches back to.
func covers(m *lockwirev1.EventBatch) uint64 {
	if gap := m.GetEvents()[0]; gap.GetKind() == lockwirev1.EventKind_EVENT_KIND_GAP {
		return m.GetFirstSequence() - gap.GetLost() + 1 // wire.Check: lost is 1 to first_sequence
	}
	return m.GetFirstSequence()
}

// progress is how far one boot epoch came in this session; the worker's alone.
type progress struct {
	// from is where the session began, next is after the last that was journaled without leaving any out.
	from, next uint64
	// durable is the last that the lock was told; 0: none.
	durable uint64
	// pending was journaled and is not known as durable: in rising order, with what a GAP accounts for between.
	pending []span
}

// span is a series of sequences, both ends included.
type span struct{ first, last uint64 }

// reached notes that events up to last, from first or where it was on, are on disk.
func (p *progress) reached(first, last uint64) {
	first = max(first, p.next)
	if last < p.next {
		return // a resend
	}
	p.next = last + 1
	if n := len(p.pending); n > 0 && p.pending[n-1].last+1 == first {
		p.pending[n-1].last = last
		return
	}
	p.pending = append(p.pending, span{first, last})
}

// settle moves durable on, as far as the journal's answer (the end of the durable run that has a sequence) allows, and
// says whether it did.
func (p *progress) settle(durable func(first uint64) uint64) bool {
	before := p.durable
	for len(p.pending) > 0 {
		one := &p.pending[0]
		upTo := durable(one.first)
		if upTo < one.last {
			if upTo >= one.first {
				p.durable, one.first = upTo, upTo+1
			}
			break
		}
		p.durable = one.last
		p.pending = p.pending[1:]
	}
	return p.durable > before
}

// ack is the EventAck of now. received_up_to is 0 as long as nothing is on disk.
func (p *progress) ack(request, epoch uint64) *lockwirev1.EventAck {
	ack := &lockwirev1.EventAck{RequestId: request, BootEpoch: epoch, FromSequence: p.from, DurableUpTo: p.durable}
	if p.next > p.from {
		ack.ReceivedUpTo = p.next - 1
	}
	return ack
}

// work journals batches in their order and acknowledges, and ends when everything received is durable.
func (s *session) work(ctx context.Context) {
	changed, stop := s.hub.cfg.Journal.Watch(s.deviceID)
	defer stop()
	for {
		if m := s.nextBatch(); m != nil {
			p := s.progress[m.GetBootEpoch()]
			if p == nil {
				p = &progress{from: covers(m), next: covers(m)}
				s.progress[m.GetBootEpoch()] = p
			}
			if s.journalBatch(ctx, m, p) != nil {
				return
			}
			continue
		}
		done, err := s.acknowledgeDurable()
		if err != nil || done && s.retire() {
			return
		}
		select {
		case <-changed:
		case <-s.nudge:
		case <-ctx.Done():
			return
		}
	}
}

func (s *session) nextBatch() *lockwirev1.EventBatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) == 0 {
		return nil
	}
	m := s.batches[0]
	s.batches = s.batches[1:]
	return m
}

// retire ends the worker, unless a batch came in the meantime.
func (s *session) retire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) > 0 {
		return false
	}
	s.working = false
	return true
}

// journalBatch puts a batch on disk and answers it. A batch behind one that could not be journaled is refused too, until
// that one came again: what is acknowledged never has a hole. Its error is the connection's.
func (s *session) journalBatch(ctx context.Context, m *lockwirev1.EventBatch, p *progress) error {
	err := journal.ErrUnavailable
	if covers(m) <= p.next {
		err = s.appendBatch(ctx, m)
	}
	s.mu.Lock()
	s.inFlight--
	s.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil: // the session ended meanwhile, and the lock is told why: that is no fault of the journal
		return err
	case err != nil:
		return s.send(unavailable(m.GetRequestId(), "the journal cannot take events now").Message())
	}
	p.reached(m.GetFirstSequence(), m.GetFirstSequence()+uint64(len(m.GetEvents()))-1)
	p.settle(s.durable(m.GetBootEpoch()))
	return s.send(p.ack(m.GetRequestId(), m.GetBootEpoch()))
}

// durable asks the journal about one boot epoch of this device.
func (s *session) durable(epoch uint64) func(first uint64) uint64 {
	return func(first uint64) uint64 { return s.hub.cfg.Journal.Durable(s.deviceID, epoch, first) }
}

// appendBatch journals what is not a resend, each event under its own trace.
func (s *session) appendBatch(ctx context.Context, m *lockwirev1.EventBatch) error {
	now := s.hub.cfg.Now()
	var entries []journal.Entry
	for i, event := range m.GetEvents() {
		r := lockevent.Reported{
			Device: s.device, Epoch: m.GetBootEpoch(), Sequence: m.GetFirstSequence() + uint64(i), Event: event, ReceivedAt: now,
		}
		if s.hub.cfg.Journal.Received(s.deviceID, r.Epoch, r.Sequence) >= r.Sequence {
			continue
		}
		eventCtx, span := s.hub.tracer.Start(telemetry.WithTraceparent(ctx, s.hub.cfg.Maker.Traceparent(r)), "gateway.journal",
			trace.WithAttributes(telemetry.OrgKey.String(s.device.Org), telemetry.DeviceKey.String(s.deviceID)))
		defer span.End()
		entry, err := s.hub.cfg.Maker.Entry(r, telemetry.Traceparent(eventCtx))
		if err != nil {
			s.hub.cfg.Logger.ErrorContext(eventCtx, "cannot make an event", "device", s.deviceID, "error", err)
			return err
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil
	}
	// Also when the connection breaks meanwhile: a session that goes on later must know what is on disk.
	return s.hub.cfg.Journal.Append(context.WithoutCancel(ctx), entries...)
}

// acknowledgeDurable tells the lock what became durable; done when nothing is left to tell.
func (s *session) acknowledgeDurable() (done bool, err error) {
	done = true
	for epoch, p := range s.progress {
		if p.settle(s.durable(epoch)) {
			if err := s.send(p.ack(0, epoch)); err != nil {
				return false, err
			}
		}
		done = done && len(p.pending) == 0
	}
	return done, nil
}
