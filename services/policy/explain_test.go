package policy_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door", Site: "site", Zones: []policy.ZoneID{"room", "floor"}})
	facts.AddZone(policy.Zone{ID: "room", Parents: []policy.ZoneID{"wing", "floor"}})
	facts.AddZone(policy.Zone{ID: "floor", Parents: []policy.ZoneID{"wing", "room"}}) // a circle
	for _, m := range [][2]string{{"team", "ana"}, {"board", "ana"}, {"all", "team"}, {"all", "board"}, {"ana's", "ana"}} {
		facts.AddMember(policy.GroupID(m[0]), policy.SubjectID(m[1]))
	}
	facts.AddGrant(policy.Grant{ID: "old", Subject: "ana", Target: "door", ValidTo: now})
	facts.AddGrant(policy.Grant{ID: "all", Subject: "all", Target: "wing"})
	facts.AddGrant(policy.Grant{ID: "few", Subject: "team", Target: "floor", MaxUses: 2, OverrideRank: 3})
	facts.AddGrant(policy.Grant{ID: "lost", Subject: "board", Target: "room", Schedule: "gone"})
	facts.AddGrant(policy.Grant{ID: "elsewhere", Subject: "ana", Target: "cellar"})
	facts.AddLockdown("wing", policy.Lockdown{ID: "b", Rank: 2})
	facts.AddLockdown("site", policy.Lockdown{ID: "a", Rank: 2})
	facts.AddLockdown("door", policy.Lockdown{ID: "c", Rank: 3})
	facts.AddLockdown("door", policy.Lockdown{ID: "over", Rank: 10, Until: now})

	got := policy.Explain(policy.Request{Door: "door", Person: "ana", Entitled: true}, facts, policy.State{}, now)
	want := policy.Explanation{
		Decision: policy.Decision{
			Outcome: policy.Granted, Reason: policy.ReasonGrant, Grant: "few", Lockdown: "c", Conditions: []policy.Reason{policy.ReasonUsesExhausted},
		},
		Subjects: []policy.Via{{"ana", ""}, {"ana's", "ana"}, {"board", "ana"}, {"team", "ana"}, {"all", "board"}},
		Targets:  []policy.Via{{"door", ""}, {"floor", "door"}, {"room", "door"}, {"wing", "floor"}},
		Considered: []policy.Considered{
			{Grant: "few", Subject: "team", Target: "floor", Reason: policy.ReasonGrant},
			{Grant: "all", Subject: "all", Target: "wing", Reason: policy.ReasonLockdown},
			{Grant: "lost", Subject: "board", Target: "room", Schedule: "gone", Reason: policy.ReasonBrokenFacts},
			{Grant: "old", Subject: "ana", Target: "door", Reason: policy.ReasonExpired},
		},
		Lockdowns: []policy.LockdownID{"c", "a", "b"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What is asked first does not hide what else there is to know.
func TestExplainRefusals(t *testing.T) {
	t.Parallel()
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "door"})
	facts.AddGrant(policy.Grant{ID: "g", Subject: "ana", Target: "door"})
	revoked := &policy.CredentialFact{Status: policy.CredentialRevoked}
	got := policy.Explain(policy.Request{Door: "door", Person: "ana", Credential: revoked}, facts, policy.State{}, now)
	if got.Decision.Reason != policy.ReasonCredentialNotActive || len(got.Considered) != 1 || got.Considered[0].Reason != policy.ReasonGrant {
		t.Errorf("a revoked credential: %+v", got)
	}
	if got := policy.Explain(policy.Request{Door: "attic", Person: "ana"}, facts, policy.State{}, now); !reflect.DeepEqual(got, policy.Explanation{Decision: policy.Deny(policy.ReasonUnknownDoor)}) {
		t.Errorf("an unknown door: %+v", got)
	}
	if got := policy.Explain(policy.Request{Door: "door"}, facts, policy.State{}, now.Add(time.Hour)); len(got.Subjects)+len(got.Considered) != 0 {
		t.Errorf("nobody: %+v", got)
	}
}
