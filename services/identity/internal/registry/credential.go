package registry

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// CardNumber is what a reader reads. It rests only sealed and as keyed digests, and prints as nothing.
type CardNumber struct {
	Format    string
	BitLength uint32
	Bits      []byte
}

// String hides the number.
func (CardNumber) String() string { return "REDACTED" }

// GoString hides the number from %#v.
func (CardNumber) GoString() string { return "REDACTED" }

// Check says whether it is a number that a reader of the format can read; else credential.ErrMalformed.
func (c CardNumber) Check() error { return credential.Check(c.Format, c.BitLength, c.Bits) }

// Digest is what a door may know of what somebody carries.
type Digest struct {
	KeyID region.ID
	Sum   []byte // 32 bytes
}

// Credential is a key that a person carries. It lives in the person's region.
type Credential struct {
	ID        region.ID
	Org       region.ID
	Person    region.ID
	Kind      string // of package credential; empty: one of a later version
	Status    Status
	Digests   []Digest
	IssuedAt  time.Time
	RevokedAt time.Time // zero while active
}
