package grants

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// entitled decides from facts alone: what depends on what is known only at the door is taken as met, and named.
func entitled(facts policy.Facts, door, person region.ID, at time.Time) policy.Decision {
	req := policy.Request{Door: policy.DoorID(door), Person: policy.PersonID(person), Entitled: true}
	return policy.Decide(req, facts, policy.State{}, at)
}

// standsOpen says whether the door is open for everybody, whatever is known only there: a door that waits for a first
// person is not.
func standsOpen(facts policy.Facts, door region.ID, at time.Time) bool {
	_, open := policy.StandsOpen(facts, policy.DoorID(door), policy.State{}, at)
	return open
}
