package session_test

import (
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"google.golang.org/protobuf/proto"
)

// BenchmarkDecision is one decision over TLS. Many locks ask in turn, so that none sends more than it may. What is measured is the gateway,
// and a lock that does as little as it can: its answers are read and not decoded.
func BenchmarkDecision(b *testing.B) {
	p := newPlace(b, func(c *session.Config) { c.Tracer = telemetry.Discard().Tracer })
	locks := make([]*raw, 300)
	for i := range locks {
		locks[i] = p.dial()
		p.open(locks[i])
		p.must(locks[i].SetDeadline(time.Time{}))
	}
	request := &lockwirev1.AccessRequest{Card: badge, Direction: lockwirev1.Direction_DIRECTION_IN}
	body, frame, answer := make([]byte, 0, 256), make([]byte, 0, 256), make([]byte, 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		request.RequestId++
		request.EventSequence++
		var err error
		body, err = proto.MarshalOptions{}.MarshalAppend(body[:0], request)
		p.must(err)
		frame, err = wire.AppendFrame(frame[:0], wire.Frame{Type: lockwirev1.FrameType_FRAME_TYPE_ACCESS_REQUEST, Body: body})
		p.must(err)
		lock := locks[i%len(locks)]
		_, err = lock.Write(frame)
		p.must(err)
		n, err := lock.Read(answer)
		p.must(err)
		if n < 6 || answer[5] != byte(lockwirev1.FrameType_FRAME_TYPE_ACCESS_DECISION) {
			b.Fatalf("%x is no decision", answer[:n])
		}
	}
}
