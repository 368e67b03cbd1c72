package policy_test

import (
	"fmt"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy"
)

// chain has person in group 1, group 1 in group 2 and so on; the last group may open the door.
func chain(length int) *policy.Snapshot {
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door"})
	member := policy.SubjectID("person")
	for i := 1; i <= length; i++ {
		group := policy.GroupID(fmt.Sprintf("group%d", i))
		facts.AddMember(group, member)
		member = policy.SubjectID(group)
	}
	facts.AddGrant(policy.Grant{ID: "far", Subject: member, Target: "door"})
	return facts
}

func decide(facts policy.Facts) policy.Decision {
	return policy.Decide(policy.Request{Door: "door", Person: "person"}, facts, policy.State{}, now)
}

func expect(t *testing.T, facts policy.Facts, reason policy.Reason, grant policy.GrantID) {
	t.Helper()
	if d := decide(facts); d.Reason != reason || d.Grant != grant {
		t.Errorf("got %+v, want %s of grant %q", d, reason, grant)
	}
}

func TestGroupDepth(t *testing.T) {
	t.Parallel()
	expect(t, chain(1), policy.ReasonGrant, "far")
	expect(t, chain(policy.MaxGroupDepth), policy.ReasonGrant, "far")
	expect(t, chain(policy.MaxGroupDepth+1), policy.ReasonBrokenFacts, "")
	expect(t, chain(10*policy.MaxGroupDepth), policy.ReasonBrokenFacts, "")
}

func TestGroupTooDeepDoesNotShutOutOthers(t *testing.T) {
	t.Parallel()
	facts := chain(policy.MaxGroupDepth + 1)
	facts.AddGrant(policy.Grant{ID: "near", Subject: "group2", Target: "door"})
	expect(t, facts, policy.ReasonGrant, "near")

	// A grant that is broken itself says more than that groups are too deep.
	facts = chain(policy.MaxGroupDepth + 1)
	facts.AddGrant(policy.Grant{ID: "broken", Subject: "person", Target: "door", Schedule: "missing"})
	expect(t, facts, policy.ReasonBrokenFacts, "broken")

	// One that is only not valid does not explain more.
	facts = chain(policy.MaxGroupDepth + 1)
	facts.AddGrant(policy.Grant{ID: "ended", Subject: "person", Target: "door", ValidTo: now})
	expect(t, facts, policy.ReasonBrokenFacts, "")
}

// A short way round counts, not the longest.
func TestGroupLevelIsTheLowest(t *testing.T) {
	t.Parallel()
	facts := chain(policy.MaxGroupDepth + 1)
	facts.AddMember("group20", "person")
	expect(t, facts, policy.ReasonGrant, "far")
}

func TestGroupCycles(t *testing.T) {
	t.Parallel()
	facts := chain(20)
	facts.AddMember("group1", "group20")
	facts.AddMember("group7", "group7")
	expect(t, facts, policy.ReasonGrant, "far")
}

// More groups than the scan and the stack buffer hold, each in several others.
func TestManyGroups(t *testing.T) {
	t.Parallel()
	const groups = 300
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door"})
	for i := range groups {
		group := policy.GroupID(fmt.Sprint("g", i))
		facts.AddMember(group, "person")
		for j := range 3 {
			facts.AddMember(policy.GroupID(fmt.Sprint("h", (i*7+j*31)%groups)), policy.SubjectID(group))
		}
	}
	facts.AddMember("h1", "h2") // a cycle among the last ones
	facts.AddMember("h2", "h1")
	expect(t, facts, policy.ReasonNoGrant, "")
	facts.AddGrant(policy.Grant{ID: "last", Subject: "h299", Target: "door"})
	expect(t, facts, policy.ReasonGrant, "last")
}
