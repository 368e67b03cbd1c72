package session_test

import (
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"pgregory.net/rapid"
)

// TestAnyResendOfARingIsEachEventOnce plays a lock that connects as often as it likes and sends its ring in any pieces,
// always from the oldest event that it does not know as durable.
func TestAnyResendOfARingIsEachEventOnce(t *testing.T) {
	p := newPlace(t)
	rapid.Check(t, func(rt *rapid.T) {
		device, cert := p.identity(time.Hour)
		ring := uint64(rapid.IntRange(1, 40).Draw(rt, "ring"))
		durable := uint64(0)
		for durable < ring {
			r := p.dialAs(device, cert)
			p.open(r)
			next := durable + 1
			last := uint64(rapid.IntRange(int(next), int(ring)).Draw(rt, "last in this session"))
			for id := uint64(1); next <= last; id++ {
				size := uint64(rapid.IntRange(1, int(last-next)+1).Draw(rt, "events in the batch"))
				batch := &lockwirev1.EventBatch{RequestId: id, BootEpoch: 1, FirstSequence: next}
				for n := range size {
					batch.Events = append(batch.Events, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_DOOR_STATE, UptimeMs: next + n})
				}
				p.must(r.w.Write(batch))
				next += size
				durable = p.acknowledged(rt, r, id, next-1, durable)
			}
			if rapid.Bool().Draw(rt, "waits for durable") {
				for durable < last {
					durable = p.acknowledged(rt, r, 0, last, durable)
				}
			}
			r.NetConn().Close() // the line breaks
		}
		p.countOnce(rt, device, ring)
	})
}

// acknowledged reads until the answer to a request (0: the next EventAck) and returns what is durable.
func (p *place) acknowledged(t *rapid.T, r *raw, request, received, durable uint64) uint64 {
	for {
		m, err := r.r.Next()
		if err != nil {
			t.Fatal(err)
		}
		ack, ok := m.(*lockwirev1.EventAck)
		if !ok || ack.GetDurableUpTo() > ack.GetReceivedUpTo() {
			t.Fatalf("%v", m)
		}
		durable = max(durable, ack.GetDurableUpTo())
		if ack.GetRequestId() == request {
			if request != 0 && ack.GetReceivedUpTo() != received {
				t.Fatalf("received up to %d, wanted %d", ack.GetReceivedUpTo(), received)
			}
			return durable
		}
	}
}

// countOnce: the broker has events 1 to n of the device, first sightings in order, each with its own content.
func (p *place) countOnce(t *rapid.T, device string, n uint64) {
	p.broker.mu.Lock()
	defer p.broker.mu.Unlock()
	next := uint64(1)
	seen := map[string]bool{}
	for _, e := range p.broker.events {
		if e.GetStream() != device || seen[e.GetId()] {
			continue
		}
		seen[e.GetId()] = true
		if want := eventID(device, 1, next); e.GetId() != want {
			t.Fatalf("%s came where %s was due", e.GetId(), want)
		}
		next++
	}
	if next != n+1 {
		t.Fatalf("%d events, wanted %d", next-1, n)
	}
}
