package access

import (
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
)

// OfflineBundle is what the locks of a door may decide alone, from the facts of one moment.
type OfflineBundle struct {
	// Allowed: the door has an OfflineRule. Without it the locks of the door hold no bundle, and of the rest only Heads is set.
	Allowed bool
	Content bundle.Content
	// IssuedAt is the moment that was asked for, NotAfter the end of the staleness budget; both whole minutes, rounded down.
	IssuedAt, NotAfter time.Time
	// KeepsGoing: a lock may open for somebody after NotAfter, so that its exposure has no end: the door keeps going, or has an
	// emergency list with somebody on it.
	KeepsGoing bool
	// Heads are the versions of the device's organization from which it was compiled, by `<service>.<region>`.
	Heads map[string]int64
}
