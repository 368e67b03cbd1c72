package session_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"pgregory.net/rapid"
)

// TestDuplicatesAndJumpsOverManyBoots plays a careless client: it mixes the events of several boots, sends pieces twice and
// earlier pieces again, and leaves some out without a GAP, which ends its connection. What it leaves out it sends later. Each event is
// in the region once, first seen in the order of its boot.
func TestDuplicatesAndJumpsOverManyBoots(t *testing.T) {
	p := newPlace(t)
	const boots, ring = 3, 12
	rapid.Check(t, func(rt *rapid.T) {
		device, cert := p.identity(time.Hour)
		next := [boots + 1]uint64{1, 1, 1, 1} // per boot: what the client sends next
		for rest := true; rest; {
			r := p.dialAs(device, cert)
			hello := r.hello()
			hello.BootEpoch = boots
			p.must(r.w.Write(hello))
			if m, err := r.r.Next(); err != nil || m.(*lockwirev1.Welcome) == nil {
				rt.Fatal(m, err)
			}
			from, due := [boots + 1]uint64{}, next // per boot: where this session began, and is
			for id := uint64(1); id < 8; id++ {
				epoch := uint64(rapid.IntRange(1, boots).Draw(rt, "boot"))
				first := uint64(rapid.IntRange(int(max(1, from[epoch])), int(min(due[epoch], ring))).Draw(rt, "first"))
				jump := from[epoch] > 0 && due[epoch] < ring && rapid.IntRange(0, 9).Draw(rt, "leaves out") == 0
				if jump {
					first = due[epoch] + 1
				}
				b := &lockwirev1.EventBatch{RequestId: id, BootEpoch: epoch, FirstSequence: first}
				for k := range rapid.IntRange(1, int(ring-first)+1).Draw(rt, "events") {
					b.Events = append(b.Events, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_DOOR_STATE, UptimeMs: first + uint64(k)})
				}
				p.must(r.w.Write(b))
				ack, failed := p.answerOf(rt, r, id)
				if jump != (failed.GetCode() == lockwirev1.ErrorCode_ERROR_CODE_MALFORMED) || jump == (failed == nil) {
					rt.Fatalf("boot %d, %d events at %d where %d was due: %v %v", epoch, len(b.GetEvents()), first, due[epoch], ack, failed)
				}
				if jump {
					break
				}
				if from[epoch] == 0 {
					from[epoch], due[epoch] = first, first
				}
				due[epoch] = max(due[epoch], first+uint64(len(b.GetEvents())))
				next[epoch] = max(next[epoch], due[epoch])
			}
			r.NetConn().Close()
			rest = false
			for epoch := 1; epoch <= boots; epoch++ {
				rest = rest || next[epoch] <= ring
			}
		}
		for epoch := uint64(1); epoch <= boots; epoch++ {
			p.await(rt, device, epoch, ring)
		}
		p.inOrder(rt, device)
	})
}

// inOrder: of each boot, no event of the device came before an earlier one.
func (p *place) inOrder(t *rapid.T, device string) {
	p.broker.mu.Lock()
	defer p.broker.mu.Unlock()
	last := map[string]uint64{}
	for _, e := range p.broker.events {
		boot, sequence := "", uint64(0)
		if e.GetStream() != device {
			continue
		}
		if i := strings.LastIndex(e.GetId(), "."); i > 0 {
			boot = e.GetId()[:i]
			sequence, _ = strconv.ParseUint(e.GetId()[i+1:], 10, 64)
		}
		if sequence > last[boot]+1 {
			t.Fatalf("%s came after %d", e.GetId(), last[boot])
		}
		last[boot] = max(last[boot], sequence)
	}
}

// answerOf reads until a batch's answer.
func (p *place) answerOf(t *rapid.T, r *raw, request uint64) (*lockwirev1.EventAck, *lockwirev1.Error) {
	for {
		m, err := r.r.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *lockwirev1.EventAck:
			if m.GetRequestId() == request {
				return m, nil
			}
		case *lockwirev1.Error:
			return nil, m
		}
	}
}

// await waits until the region has events 1 to n of a boot, each once by its id.
func (p *place) await(t *rapid.T, device string, epoch, n uint64) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		all, want := p.broker.once(p.t), 0
		for k := uint64(1); k <= n; k++ {
			if all[fmt.Sprintf("%s.%d.%d", device, epoch, k)] != nil {
				want++
			}
		}
		if want == int(n) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("boot %d: %d of %d events", epoch, want, n)
		}
	}
}
