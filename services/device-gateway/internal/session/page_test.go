package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/protocolpage"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

func TestThePageHasTheLimits(t *testing.T) {
	n := protocolpage.Number
	protocolpage.Hold(t, "../../PROTOCOL.md", "session", []protocolpage.Row{
		{What: "Hello after the handshake", Value: seconds(defaultHello)},
		{What: "heartbeat_ms", Value: fmt.Sprintf("1,000 to 300,000; gateways send %s unless configured otherwise", n(int(defaultHeartbeat.Milliseconds())))},
		{What: "a session that broke is kept", Value: fmt.Sprintf("%d min; some %s of a gateway, of at most %d boot epochs each", parkFor/time.Minute, n(maxParked), maxParkedEpochs)},
		{What: "a write that makes no progress", Value: seconds(writeTimeout) + "; then the connection is closed"},
		{What: "joined parts", Value: fmt.Sprintf("%s bytes towards the gateway, %s towards the lock", n(joinedLimit), n(wire.JoinedToLock))},
		{What: "boot epochs in a session's batches", Value: n(maxEpochs)},
		{What: "frames from a lock", Value: fmt.Sprintf("%d a second on average, %d at once; more is OVER_LIMIT", framesPerSecond, frameBurst)},
		{What: "sessions that a device begins", Value: fmt.Sprintf("%d at once, and one more each second; more get OVER_LIMIT (R-RATE-2)", defaultReconnects)},
		{What: "CertificateRequests of a session", Value: fmt.Sprintf("one without answer, one each %s", seconds(renewPause))},
	})
	if defaultReconnects != time.Minute/time.Second {
		t.Error("one more each second is not so many in a minute")
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", d/time.Second) }
