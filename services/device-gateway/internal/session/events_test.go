package session_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

// batch is n events of the first boot epoch.
func batch(id, first uint64, n int) *lockwirev1.EventBatch {
	b := &lockwirev1.EventBatch{RequestId: id, BootEpoch: 1, FirstSequence: first}
	for range n {
		b.Events = append(b.Events, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_DOOR_STATE})
	}
	return b
}

// gap is a batch that begins with a GAP.
func gap(id, first, lost uint64, n int) *lockwirev1.EventBatch {
	b := batch(id, first, n)
	b.Events[0] = &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: lost}
	return b
}

// answer reads until the answer to a request: its EventAck or its Error.
func (p *place) answer(r *raw, request uint64) (*lockwirev1.EventAck, *lockwirev1.Error) {
	p.t.Helper()
	for {
		m, err := r.r.Next()
		p.must(err)
		switch m := m.(type) {
		case *lockwirev1.EventAck:
			p.rises(r, m)
			if m.GetRequestId() == request {
				return m, nil
			}
		case *lockwirev1.Error:
			if m.GetRequestId() == request || m.GetRequestId() == 0 {
				return nil, m
			}
		}
	}
}

// rises: neither value of an acknowledgement ever falls in a session.
func (p *place) rises(r *raw, ack *lockwirev1.EventAck) {
	p.t.Helper()
	if ack.GetReceivedUpTo() < r.acked.GetReceivedUpTo() || ack.GetDurableUpTo() < r.acked.GetDurableUpTo() ||
		ack.GetDurableUpTo() > ack.GetReceivedUpTo() {
		p.t.Fatalf("%v after %v", ack, r.acked)
	}
	r.acked = ack
}

// send sends a batch and wants it received, from and up to.
func (p *place) send(r *raw, b *lockwirev1.EventBatch, from, received uint64) {
	p.t.Helper()
	p.must(r.w.Write(b))
	ack, failed := p.answer(r, b.GetRequestId())
	if failed != nil || ack.GetFromSequence() != from || ack.GetReceivedUpTo() != received {
		p.t.Fatalf("batch at %d: %v %v, wanted from %d up to %d", b.GetFirstSequence(), ack, failed, from, received)
	}
}

// durable reads until the lock is told that all up to n is durable.
func (p *place) durable(r *raw, n uint64) {
	p.t.Helper()
	for r.acked.GetDurableUpTo() < n {
		m, err := r.r.Next()
		p.must(err)
		ack, ok := m.(*lockwirev1.EventAck)
		if !ok {
			p.t.Fatalf("%v, wanted durable up to %d", m, n)
		}
		p.rises(r, ack)
	}
	if r.acked.GetDurableUpTo() != n {
		p.t.Fatalf("%v, wanted durable up to %d", r.acked, n)
	}
}

func TestWhatNeverCameIsNeverAcknowledged(t *testing.T) {
	p := newPlace(t)
	device, cert := p.identity(time.Hour)
	first := p.dialAs(device, cert)
	p.open(first)
	p.send(first, batch(1, 5, 2), 5, 6) // 1 to 4 may be with another gateway: this one cannot know
	first.Close()

	second := p.dialAs(device, cert)
	if w := p.open(second); w.GetDurableUpTo() != 0 {
		t.Fatalf("Welcome says that %d events are durable; 1 to 4 never came", w.GetDurableUpTo())
	}
	p.broker.set(true)
	p.must(second.w.Write(batch(1, 1, 4)))
	ack, _ := p.answer(second, 1)
	if ack.GetFromSequence() != 1 || ack.GetReceivedUpTo() != 4 || ack.GetDurableUpTo() != 0 {
		t.Fatalf("with the broker down: %v", ack)
	}
	p.broker.set(false)
	p.durable(second, 4)
	events := p.broker.once(t)
	for n := uint64(1); n <= 6; n++ {
		if events[eventID(device, 1, n)] == nil {
			t.Errorf("event %d was acknowledged and is not in the region", n)
		}
	}
	second.Close()
	third := p.dialAs(device, cert)
	if w := p.open(third); w.GetDurableUpTo() != 6 {
		t.Fatalf("Welcome: durable up to %d", w.GetDurableUpTo())
	}
}

func TestAcknowledgementsNeverFall(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	p.send(r, batch(1, 1, 10), 1, 10)
	p.durable(r, 10)
	p.send(r, batch(2, 1, 3), 1, 10) // fewer, again
	p.send(r, batch(3, 11, 1), 1, 11)
	p.durable(r, 11)
}

func TestAGapAccountsForAJump(t *testing.T) {
	p := newPlace(t)
	for name, c := range map[string]struct {
		sent     []*lockwirev1.EventBatch
		from, to uint64 // of the last acknowledgement; 0: MALFORMED
	}{
		"from the start":                   {[]*lockwirev1.EventBatch{gap(1, 10, 10, 2)}, 1, 11},
		"the beginning was durable before": {[]*lockwirev1.EventBatch{gap(1, 10, 4, 2)}, 7, 11},
		"exactly":                          {[]*lockwirev1.EventBatch{batch(1, 1, 2), gap(2, 9, 7, 2)}, 1, 10},
		"also what was sent":               {[]*lockwirev1.EventBatch{batch(1, 1, 2), gap(2, 9, 9, 2)}, 1, 10},
		"too few":                          {[]*lockwirev1.EventBatch{batch(1, 1, 2), gap(2, 9, 6, 2)}, 0, 0},
		"more than there were":             {[]*lockwirev1.EventBatch{gap(1, 9, 10, 2)}, 0, 0},
		"none lost":                        {[]*lockwirev1.EventBatch{gap(1, 9, 0, 2)}, 0, 0},
		"no gap":                           {[]*lockwirev1.EventBatch{batch(1, 1, 2), batch(2, 4, 1)}, 0, 0},
		"below the beginning":              {[]*lockwirev1.EventBatch{batch(1, 5, 2), batch(2, 4, 3)}, 0, 0},
		"not the batch's first": {[]*lockwirev1.EventBatch{{
			RequestId: 1, BootEpoch: 1, FirstSequence: 1, Events: []*lockwirev1.Event{{}, {Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: 1}},
		}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := p.dial()
			p.open(r)
			for _, b := range c.sent {
				p.sendUnchecked(r, b)
			}
			if c.to == 0 {
				p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_MALFORMED)
				return
			}
			ack, failed := p.answer(r, uint64(len(c.sent)))
			if failed != nil || ack.GetFromSequence() != c.from || ack.GetReceivedUpTo() != c.to {
				t.Fatalf("%v %v", ack, failed)
			}
			p.durable(r, c.to)
		})
	}
}

// fullDisk is a journal that refuses as long as it is told to.
type fullDisk struct {
	session.Journal
	full atomic.Bool
}

func (f *fullDisk) Append(ctx context.Context, entries ...journal.Entry) error {
	if f.full.Load() {
		return errors.Join(journal.ErrUnavailable, errors.New("no space left on device"))
	}
	return f.Journal.Append(ctx, entries...)
}

func TestBehindARefusedBatchNothingIsAcknowledged(t *testing.T) {
	disk := new(fullDisk)
	p := newPlace(t, func(c *session.Config) { disk.Journal, c.Journal = c.Journal, disk })
	r := p.dial()
	p.open(r)
	p.send(r, batch(1, 1, 2), 1, 2)
	disk.full.Store(true)
	p.must(r.w.Write(batch(2, 3, 10)))
	if _, failed := p.answer(r, 2); failed.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE || failed.GetRetryAfterMs() == 0 {
		t.Fatalf("on a full disk: %v", failed)
	}
	disk.full.Store(false)
	for id := uint64(3); id <= 4; id++ { // these were under way, say
		p.must(r.w.Write(batch(id, 13+10*(id-3), 10)))
		if ack, failed := p.answer(r, id); failed.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE {
			t.Fatalf("behind a refused batch: %v %v", ack, failed)
		}
	}
	p.send(r, batch(5, 3, 4), 1, 6) // a part of what was refused
	p.must(r.w.Write(batch(6, 13, 10)))
	if ack, failed := p.answer(r, 6); failed.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE {
		t.Fatalf("behind the rest of the refused batch: %v %v", ack, failed)
	}
	p.send(r, batch(7, 7, 26), 1, 32)
	p.durable(r, 32)
}

func TestALockOnAFullDiskLosesNothing(t *testing.T) {
	disk := new(fullDisk)
	p := newPlace(t, func(c *session.Config) { disk.Journal, c.Journal = c.Journal, disk })
	disk.full.Store(true)
	l := p.openLock()
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("a door depends on the disk: %+v", got)
	}
	disk.full.Store(false)
	p.must(l.WaitDurable(p.soon()))
	if n := len(p.broker.once(t)); n != 2 {
		t.Fatalf("%d events", n)
	}
}

// sendUnchecked sends what a right client would not.
func (p *place) sendUnchecked(r *raw, m proto.Message) {
	p.t.Helper()
	body, err := proto.Marshal(m)
	p.must(err)
	frame, err := wire.AppendFrame(nil, wire.Frame{Type: wire.TypeOf(m), Body: body})
	p.must(err)
	_, err = r.Write(frame)
	p.must(err)
}
