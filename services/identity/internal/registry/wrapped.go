package registry

import "github.com/cardea-mesh/cardea/services/platform/region"

// Wrapped is a key at rest: sealed with a key of one of the jurisdiction's rings.
type Wrapped struct {
	Sealed []byte
	KeyID  string // of the key in the ring
}

// WrappedDigestKey is an organization's digest key at rest.
type WrappedDigestKey struct {
	ID region.ID
	Wrapped
}
