package rpc

import "time"

// SetClock replaces the authenticator's clock.
func SetClock(a *KeyAuthenticator, now func() time.Time) { a.now = now }
