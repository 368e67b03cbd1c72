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
	// OccurredAt is when it happened in the world, by the clock of whoever noticed it.
	OccurredAt time.Time
}
