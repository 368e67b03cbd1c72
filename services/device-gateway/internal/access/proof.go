package access

import (
	"context"
	"sync"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// proven says whether the key whose public half was presented has answered the lock's challenge. A public key is no secret:
// without a proof that verifies it counts as unknown. It costs about 100 µs, so the Copy's mu is not held meanwhile.
func (c *Copy) proven(ctx context.Context, deviceID string, m *lockwirev1.AccessRequest) bool {
	if m.GetCard().GetFormat() != lockwirev1.CardFormat_CARD_FORMAT_PKOC {
		return false
	}
	p := m.GetProof()
	if credential.VerifyProof(schemes(p.GetScheme()), m.GetCard().GetBits(), p.GetNonce(), p.GetSignature(), deviceID) {
		return true
	}
	if c.unproven.first(deviceID) {
		c.cfg.Logger.InfoContext(ctx, "access: a public key came without a proof that verifies and counts as unknown; "+
			"this is said once for each device", "device", deviceID, "scheme", p.GetScheme().String())
	}
	return false
}

func schemes(s lockwirev1.ProofScheme) string {
	switch s {
	case lockwirev1.ProofScheme_PROOF_SCHEME_PKOC:
		return credential.SchemePKOC
	case lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE:
		return credential.SchemeMobile
	default:
		return ""
	}
}

// maxNoted bounds what noted remembers; then it begins anew.
const maxNoted = 10_000

// noted remembers about which devices something was logged, so that a lock that does it at each card does not fill the log.
type noted struct {
	mu      sync.Mutex
	devices map[string]bool // guarded by mu
}

func newNoted() *noted { return &noted{devices: map[string]bool{}} }

func (n *noted) first(device string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[device] {
		return false
	}
	if len(n.devices) >= maxNoted {
		clear(n.devices)
	}
	n.devices[device] = true
	return true
}
