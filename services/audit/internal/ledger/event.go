package ledger

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Event is what a ledger takes: the body that its entry commits to, and beside it what queries look for.
type Event struct {
	Org     region.ID
	ID      string
	Body    []byte
	Service string
	Kind    string
	Door    region.ID // empty where the event is not about one door
	Person  region.ID // empty where the event is not about one person
	// Device is whose lock reported the event, as number Lock; empty where none did.
	Device region.ID
	Lock   Place
	// OccurredAt is when it happened in the world, by the clock of whoever noticed it.
	OccurredAt time.Time
}

// Place is where a lock places one of its events: the boot epoch and the number in it, both from 1. A ledger's order is that of
// arrival; this one is that in which things happened at the door.
type Place struct{ Epoch, Sequence int64 }
