package policy_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/policy"
)

// Facts that a scenario file cannot say.

// An implementation of Facts that keeps a place for a schedule that could not be made.
func TestNilScheduleIsBroken(t *testing.T) {
	t.Parallel()
	facts := chain(1)
	facts.AddSchedule("nil", nil)
	facts.AddGrant(policy.Grant{ID: "g", Subject: "person", Target: "door", Schedule: "nil"})
	expect(t, facts, policy.ReasonGrant, "far")

	facts = policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door"})
	facts.AddSchedule("nil", nil)
	facts.AddGrant(policy.Grant{ID: "g", Subject: "person", Target: "door", Schedule: "nil"})
	expect(t, facts, policy.ReasonBrokenFacts, "g")
}

// A row that lost its subject must not open the door for a credential that lost its holder.
func TestNobodyHoldsNothing(t *testing.T) {
	t.Parallel()
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door"})
	facts.AddGrant(policy.Grant{ID: "g", Target: "door"})
	req := policy.Request{Door: "door", Credential: &policy.CredentialFact{Status: policy.CredentialActive}}
	if d := policy.Decide(req, facts, policy.State{}, now); d.Outcome != policy.Denied || d.Reason != policy.ReasonNoGrant {
		t.Errorf("got %+v, want NO_GRANT", d)
	}
}

// Every answer without a grant has the shape of a denial.
func TestDeny(t *testing.T) {
	t.Parallel()
	d := policy.Deny(policy.ReasonCopyTooOld)
	if d.Outcome != policy.Denied || d.Reason != policy.ReasonCopyTooOld || d.Grant != "" || d.Effects != nil {
		t.Errorf("got %+v", d)
	}
}
