package lockport

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/protocolpage"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

func TestThePageHasTheLimits(t *testing.T) {
	var c Config
	c.setDefaults()
	n := protocolpage.Number
	protocolpage.Hold(t, "../../PROTOCOL.md", "lockport", []protocolpage.Row{
		{What: "TLS handshake", Value: seconds(handshakeTimeout)},
		{What: "length of a frame", Value: fmt.Sprintf("%s to %s (EnrollRequest: %s)", n(wire.MinLength), n(wire.MaxLength), n(enrollLength))},
		{What: "connections of a gateway; of one address", Value: fmt.Sprintf(
			"%s; %s. More are closed right after TCP's accept, before TLS and without an Error: an endpoint that cannot be reached",
			n(c.MaxConnections), n(c.MaxConnectionsPerAddress))},
		{What: "handshakes under way at a gateway; of one address", Value: fmt.Sprintf(
			"%d for each of its CPUs; %d. More wait for their turn, up to %s; addresses take turns. %d times as many may wait, more are closed as above",
			c.MaxHandshakes/runtime.GOMAXPROCS(0), c.MaxHandshakesPerAddress, seconds(waitLimit), c.MaxWaiting/c.MaxHandshakes)},
		{What: "bytes of a handshake from the lock", Value: n(unknownBytes) + ", with all certificates; more closes the connection"},
		{What: "one wait for the lock in a handshake", Value: fmt.Sprintf(
			"%s for the whole handshake; %s for each wait while more than half of the handshakes' places are taken, the gateway's or the address's", seconds(handshakeTimeout), seconds(patience))},
		{What: "enrolments of one address", Value: fmt.Sprintf("%d a minute; more get OVER_LIMIT with `retry_after_ms`, and the claim code is not used up", c.MaxEnrolments)},
	})
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", d/time.Second) }
