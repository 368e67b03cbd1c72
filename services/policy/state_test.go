package policy_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

func TestApply(t *testing.T) {
	t.Parallel()
	before := func() policy.State {
		return policy.State{
			Presence:     map[policy.ZoneID]policy.Presence{"a": {Inside: true, Since: now}, "b": {Since: now}},
			FirstArrival: now, Waiting: policy.Waiting{Person: "bob", Since: now}, Uses: map[policy.GrantID]int{"g": 1},
		}
	}
	later := now.Add(time.Minute)
	s := before()
	got := s.Apply([]policy.Effect{
		{Kind: policy.EffectLeave, Zone: "a"}, {Kind: policy.EffectEnter, Zone: "c"}, {Kind: policy.EffectEnter, Zone: "b", Person: "bob"},
		{Kind: policy.EffectArriveFirst}, {Kind: policy.EffectUse, Grant: "g"}, {Kind: policy.EffectUse, Grant: "h"}, {Kind: policy.EffectPair},
	}, "ana", later)
	want := policy.State{
		Presence:     map[policy.ZoneID]policy.Presence{"a": {Since: later}, "b": {Since: now}, "c": {Inside: true, Since: later}},
		FirstArrival: later, Uses: map[policy.GrantID]int{"g": 2, "h": 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !reflect.DeepEqual(s, before()) {
		t.Errorf("the state before changed: %+v", s)
	}
	if got := (policy.State{}).Apply([]policy.Effect{{Kind: policy.EffectWait}}, "ana", now); got.Waiting != (policy.Waiting{Person: "ana", Since: now}) {
		t.Errorf("ana does not wait: %+v", got)
	}
	if got := (policy.State{}).Apply([]policy.Effect{{Kind: policy.EffectEnter, Zone: "z", Person: "ana"}}, "ana", now); !got.Presence["z"].Inside {
		t.Errorf("an effect that names the person of the state: %+v", got)
	}
	if got := before().Apply([]policy.Effect{{Kind: policy.EffectArriveFirst}}, "ana", now.Add(-time.Hour)); !got.FirstArrival.Equal(now) {
		t.Errorf("a late report took the arrival back to %s", got.FirstArrival)
	}
	if got := before().Apply(nil, "ana", later); !reflect.DeepEqual(got, before()) {
		t.Errorf("without effects: %+v", got)
	}
}

// The lifecycle that README.md promises: decide, apply, decide again.
func ExampleState_Apply() {
	facts := policy.NewSnapshot()
	facts.AddDoor(policy.Door{ID: "front"})
	facts.AddGrant(policy.Grant{ID: "visitor", Subject: "vic", Target: "front", MaxUses: 1})
	req := policy.Request{Door: "front", Person: "vic"}

	var state policy.State
	for range 2 {
		decision := policy.Decide(req, facts, state, now)
		state = state.Apply(decision.Effects, req.Person, now)
		fmt.Println(decision.Outcome, decision.Reason)
	}
	// Output:
	// GRANTED GRANT
	// DENIED USES_EXHAUSTED
}
