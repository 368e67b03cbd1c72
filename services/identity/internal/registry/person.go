package registry

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Status is the life of a person's record or of a credential, as the tables spell it.
type Status string

// The states. A person is active, then perhaps erased; a credential is active, then perhaps revoked. Neither comes back.
const (
	Active  Status = "active"
	Erased  Status = "erased"
	Revoked Status = "revoked"
)

// Fields are what identifies a person. They rest and travel only sealed, and print as nothing.
type Fields struct {
	Name  string
	Email string // may be empty
}

// String hides the fields.
func (Fields) String() string { return "REDACTED" }

// GoString hides the fields from %#v.
func (Fields) GoString() string { return "REDACTED" }

// Person is somebody who carries keys. Its home is the region that the tenant chose.
type Person struct {
	ID        region.ID
	Org       region.ID
	Fields    Fields // zero when erased
	Status    Status
	CreatedAt time.Time
}
