package policy_test

import (
	"reflect"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/policytest"
)

func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, s := range policytest.Scenarios(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			facts := s.Facts()
			var memory policytest.Memory // of the sequence that is being played
			for i, e := range s.Expect {
				ask(t, s, facts, e)
				if e.Sequence == 0 {
					continue
				}
				if i == 0 || s.Expect[i-1].Sequence != e.Sequence {
					memory = policytest.Memory{}
				}
				// The state that the decisions left, not the one that the file expects.
				e.State = memory.State(e.Request.Person, e.Request.Door)
				got := ask(t, s, facts, e)
				memory.Apply(got.Effects, e.Request.Person, e.Request.Door, e.At)
			}
		})
	}
}

func ask(t *testing.T, s policytest.Scenario, facts policy.Facts, e policytest.Expectation) policy.Decision {
	t.Helper()
	got := policy.Decide(e.Request, facts, e.State, e.At)
	if !reflect.DeepEqual(got, e.Want) {
		t.Errorf("testdata/%s.yaml:%d: %s at %s at %s:\n got %+v\nwant %+v",
			s.Name, e.Line, e.Request.Person, e.Request.Door, e.At, got, e.Want)
	}
	if explained := policy.Explain(e.Request, facts, e.State, e.At); !reflect.DeepEqual(explained.Decision, got) {
		t.Errorf("testdata/%s.yaml:%d: explained as %+v", s.Name, e.Line, explained.Decision)
	}
	if e.StandsOpen != nil {
		if _, stands := policy.StandsOpen(facts, e.Request.Door, e.State, e.At); stands != *e.StandsOpen {
			t.Errorf("testdata/%s.yaml:%d: stands open: %v", s.Name, e.Line, stands)
		}
	}
	return got
}
