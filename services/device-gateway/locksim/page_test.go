package locksim

import (
	"fmt"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/protocolpage"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

func TestThePageHasTheLimits(t *testing.T) {
	protocolpage.Hold(t, "../PROTOCOL.md", "locksim", []protocolpage.Row{
		{What: "the lock waits for TCP; for TCP and TLS", Value: seconds(connectTimeout) + "; " + seconds(dialTimeout) + ", each an endpoint"},
		{What: "the lock waits for Welcome", Value: seconds(welcomeTimeout)},
		{What: "a dead line: no answer, then nothing after Ping", Value: seconds(wire.MaxValidFor*time.Millisecond) + " + " + seconds(deadAfter)},
		{What: "a write that makes no progress", Value: seconds(writeTimeout) + "; then the connection is closed"},
	})
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", d/time.Second) }
