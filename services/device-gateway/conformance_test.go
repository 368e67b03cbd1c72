package gateway_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
)

// TestTheGatewayKeepsTheRules runs every rule of PROTOCOL.md that binds a gateway against a real one.
func TestTheGatewayKeepsTheRules(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	report, err := lockconformance.Gateway(t.Context(), lockconformance.GatewayConfig{
		Address: g.locks, Claim: g.device().GetClaimCode(), Card: badge, Out: t.Output(),
	})
	p.must(err)
	if failed := report.Failed(); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	if n := report.Count(lockconformance.Pass); n < 45 {
		t.Errorf("only %d rules were looked at", n)
	}
}
