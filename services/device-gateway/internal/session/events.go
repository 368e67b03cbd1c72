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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight >= eventCredit {
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT, RequestID: m.GetRequestId(), Text: "more batches than event_credit"}
	}
	s.inFlight++
	s.batches = append(s.batches, m)
	if s.nudge == nil {
		s.nudge = make(chan struct{}, 1)
	}
	if !s.working {
		s.working = true
		go s.work(ctx)
		return nil
	}
	select {
	case s.nudge <- struct{}{}:
	default:
	}
	return nil
}

// follows holds a batch to the rule that nothing between two batches is left out in silence.
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
	if expected, begun := s.expected[epoch]; begun && first > expected {
		gap := m.GetEvents()[0]
		if gap.GetKind() != lockwirev1.EventKind_EVENT_KIND_GAP || gap.GetLost() < first-expected {
			return malformed("first_sequence %d where %d was due, without a GAP that covers it", first, expected)
		}
	}
	if s.expected == nil {
		s.expected = map[uint64]uint64{}
	}
	s.expected[epoch] = max(s.expected[epoch], first+uint64(len(m.GetEvents())))
	if len(s.expected) > 1024 {
		return malformed("events of more than 1024 boot epochs in one session")
	}
	return nil
}

// progress is how far one boot epoch came in this session; the worker's alone.
type progress struct {
	received, durable uint64
	// failedAt is the first sequence of a batch that could not be journaled; 0: none. Later ones wait for it, since the
	// journal takes what is behind a received one for a resend.
	failedAt uint64
}

// work journals batches in their order and acknowledges, and ends when everything received is durable.
func (s *session) work(ctx context.Context) {
	changed, stop := s.hub.cfg.Journal.Watch(s.deviceID)
	defer stop()
	epochs := map[uint64]*progress{}
	for {
		if m := s.nextBatch(); m != nil {
			p := epochs[m.GetBootEpoch()]
			if p == nil {
				p = &progress{}
				epochs[m.GetBootEpoch()] = p
			}
			if s.journalBatch(ctx, m, p) != nil {
				return
			}
			continue
		}
		done, err := s.acknowledgeDurable(epochs)
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

// journalBatch puts a batch on disk and answers it. Its error is the connection's.
func (s *session) journalBatch(ctx context.Context, m *lockwirev1.EventBatch, p *progress) error {
	last := m.GetFirstSequence() + uint64(len(m.GetEvents())) - 1
	var err error
	if p.failedAt != 0 && m.GetFirstSequence() > p.failedAt {
		err = journal.ErrUnavailable
	} else if err = s.appendBatch(ctx, m); err != nil {
		p.failedAt = m.GetFirstSequence()
	} else {
		p.failedAt = 0
	}
	s.mu.Lock()
	s.inFlight--
	s.mu.Unlock()
	if err != nil {
		return s.send(unavailable(m.GetRequestId(), "the journal cannot take events now").Message())
	}
	p.received = max(p.received, last)
	p.durable = max(p.durable, min(s.hub.cfg.Journal.Mark(s.deviceID, m.GetBootEpoch()).Durable, p.received))
	return s.send(&lockwirev1.EventAck{
		RequestId: m.GetRequestId(), BootEpoch: m.GetBootEpoch(), ReceivedUpTo: p.received, DurableUpTo: p.durable,
	})
}

// appendBatch journals what is not a resend, each event under its own trace.
func (s *session) appendBatch(ctx context.Context, m *lockwirev1.EventBatch) error {
	had := s.hub.cfg.Journal.Mark(s.deviceID, m.GetBootEpoch()).Received
	now := s.hub.cfg.Now()
	var entries []journal.Entry
	for i, event := range m.GetEvents() {
		r := lockevent.Reported{
			Device: s.device, Epoch: m.GetBootEpoch(), Sequence: m.GetFirstSequence() + uint64(i), Event: event, ReceivedAt: now,
		}
		if r.Sequence <= had {
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
	return s.hub.cfg.Journal.Append(ctx, entries...)
}

// acknowledgeDurable tells the lock what became durable; done when nothing is left to tell.
func (s *session) acknowledgeDurable(epochs map[uint64]*progress) (done bool, err error) {
	done = true
	for epoch, p := range epochs {
		durable := min(s.hub.cfg.Journal.Mark(s.deviceID, epoch).Durable, p.received)
		if durable > p.durable {
			p.durable = durable
			if err := s.send(&lockwirev1.EventAck{BootEpoch: epoch, ReceivedUpTo: p.received, DurableUpTo: p.durable}); err != nil {
				return false, err
			}
		}
		done = done && p.durable >= p.received
	}
	return done, nil
}
