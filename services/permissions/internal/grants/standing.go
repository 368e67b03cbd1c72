package grants

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// standsOpen says whether the door is open for everybody, whatever is known only there: a door that waits for a first
// person is not.
func standsOpen(facts policy.Facts, door region.ID, at time.Time) bool {
	_, open := policy.StandsOpen(facts, policy.DoorID(door), policy.State{}, at)
	return open
}
