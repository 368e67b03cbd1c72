package grants

import (
	"context"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// PastReader is what questions about the past need beside Facts.
type PastReader interface {
	EventReader
	// DoorEver says whether there is, or ever was, such a door in the organization.
	DoorEver(ctx context.Context, org, door region.ID) (bool, error)
}
