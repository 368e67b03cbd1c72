package policy_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
	"pgregory.net/rapid"
)

// Random worlds and histories: each step is decided from the state that the decisions
// before it left, and by the model from what happened.
func TestDecideAgainstModel(t *testing.T) {
	t.Parallel()
	seen := make(map[policy.Reason]int)
	play := func(t *rapid.T) {
		m := model{world: drawWorld(t)}
		facts := m.facts(t)
		var memory policytest.Memory
		at := now.Add(-3 * time.Hour)
		for range rapid.IntRange(10, 40).Draw(t, "steps") {
			at = at.Add(pick(t, "later", 0, 10*time.Second, 20*time.Second, time.Minute, 20*time.Minute, time.Hour, 5*time.Hour))
			q := asked{door: m.doors[pick(t, "door", 0, 0, 0, 1)], at: at}
			q.Request = policy.Request{
				Door: q.door.ID, Person: policy.PersonID(pick(t, "person", people...)),
				Direction:    pick[policy.Direction](t, "direction", 0, 1, 1, 2, 3),
				SecondFactor: pick[policy.Factor](t, "factor", 0, 1, 1, 1, 2, 3),
				Entitled:     rapid.IntRange(0, 4).Draw(t, "entitled") == 0,
			}
			state := memory.State(q.Person, q.Door)
			got, want := policy.Decide(q.Request, facts, state, at), m.decide(q)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v at %s\nstate %+v\n  got %+v\n want %+v", q.Request, at, state, got, want)
			}
			explained(t, q, facts, state, got)
			memory.Apply(got.Effects, q.Person, q.Door, at)
			m.remember(q, got.Effects)
			seen[got.Reason]++
		}
	}
	for range 10 { // rapid's 100 worlds are too few for what is rare
		rapid.Check(t, play)
	}
	for reason := policy.ReasonGrant; reason < policy.ReasonStateUnknown; reason++ {
		switch reason {
		case policy.ReasonUnknownDoor, policy.ReasonUnknownCredential, policy.ReasonCredentialNotActive, policy.ReasonCopyTooOld:
		default:
			if seen[reason] == 0 {
				t.Errorf("no history came to %s; draw other worlds: %v", reason, seen)
			}
		}
	}
}

// remember adds to the history what a decision changed.
func (m *model) remember(q asked, effects []policy.Effect) {
	for _, e := range effects {
		h := happened{at: q.at, person: q.Person, door: q.door.ID, Effect: e}
		if e.Person != "" {
			h.person = e.Person
		}
		m.history = append(m.history, h)
	}
}

// explained holds an explanation against the decision and against StandsOpen.
func explained(t *rapid.T, q asked, facts policy.Facts, state policy.State, d policy.Decision) {
	e := policy.Explain(q.Request, facts, state, q.at)
	if !reflect.DeepEqual(e.Decision, d) {
		t.Fatalf("explained as %+v, decided %+v", e.Decision, d)
	}
	if q.Entitled {
		state = policy.State{}
	}
	if _, stands := policy.StandsOpen(facts, q.Door, state, q.at); stands != e.StandsOpen || stands && d.Outcome == policy.Denied {
		t.Fatalf("stands open: %v, explained: %v, decided %+v", stands, e.StandsOpen, d)
	}
	if d.Grant != "" && (e.Considered[0].Grant != d.Grant || d.Outcome == policy.Granted && e.Considered[0].Reason != policy.ReasonGrant) {
		t.Fatalf("decided %+v, closest %+v", d, e.Considered[0])
	}
	if d.Lockdown != "" && e.Lockdowns[0] != d.Lockdown {
		t.Fatalf("decided %+v, lockdowns %v", d, e.Lockdowns)
	}
	for _, c := range e.Considered {
		if i := indexOf(e.Subjects, string(c.Subject)); i < 0 || indexOf(e.Targets, string(c.Target)) < 0 {
			t.Fatalf("%+v is not of %v and %v", c, e.Subjects, e.Targets)
		}
	}
}

func indexOf(vias []policy.Via, id string) int {
	for i, v := range vias {
		if v.ID == id {
			return i
		}
	}
	return -1
}
