package locksim

import (
	"crypto/tls"
	"sync"
)

// ticket keeps the last TLS session ticket, in memory: all gateways have one server name, and a ticket of another gateway costs a whole
// handshake, as none does. A new certificate needs a new one: what is resumed is the old certificate's.
type ticket struct {
	mu    sync.Mutex
	state *tls.ClientSessionState
}

// Get implements tls.ClientSessionCache.
func (t *ticket) Get(string) (*tls.ClientSessionState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state, t.state != nil
}

// Put implements tls.ClientSessionCache.
func (t *ticket) Put(_ string, state *tls.ClientSessionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = state
}
