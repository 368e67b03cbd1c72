package policy_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/policy"
)

// Doors ask thousands of times a second: the common case leaves nothing to collect. Not
// parallel, because allocations are counted for the whole process.
func TestDecideDoesNotAllocate(t *testing.T) {
	facts := chain(3)
	facts.AddDoor(policy.Door{ID: "door", Site: "site", Zones: []policy.ZoneID{"room"}, Rules: policy.DoorRules{SecondFactor: &policy.SecondFactor{}}})
	facts.AddZone(policy.Zone{ID: "room", Parents: []policy.ZoneID{"floor"}})
	facts.AddLockdown("floor", policy.Lockdown{ID: "over", Rank: 1, Until: now})
	for _, person := range []policy.PersonID{"person", "stranger"} {
		req := policy.Request{Door: "door", Person: person, SecondFactor: policy.FactorRight}
		if n := testing.AllocsPerRun(100, func() { policy.Decide(req, facts, policy.State{}, now) }); n != 0 {
			t.Errorf("%s: %v allocations", person, n)
		}
	}
}
