package registry

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Organization is a tenant. Its home is the region where it was made.
type Organization struct {
	ID        region.ID
	Slug      string // unique in the jurisdiction
	CreatedAt time.Time
}

// DigestKey turns an organization's card numbers into digests. It is secret: it has no String that shows it.
type DigestKey struct {
	ID  region.ID
	Key [32]byte
}

// String names the key without showing it.
func (k DigestKey) String() string { return string(k.ID) }

// GoString is String, so that %#v does not show the key either.
func (k DigestKey) GoString() string { return string(k.ID) }

// Source is the commit at a home that a fact from another jurisdiction comes from. Versions are comparable only when
// the rest is equal.
type Source struct {
	Region  region.Name
	Version int64
}
