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
			for _, e := range s.Expect {
				got := policy.Decide(e.Request, facts, policy.State{}, e.At)
				if !reflect.DeepEqual(got, e.Want) {
					t.Errorf("testdata/%s.yaml:%d: %s at %s at %s:\n got %+v\nwant %+v",
						s.Name, e.Line, e.Request.Person, e.Request.Door, e.At, got, e.Want)
				}
			}
		})
	}
}
