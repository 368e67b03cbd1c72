package lockconformance

import (
	"errors"
	"testing"
)

func TestWhatIsSaidOfALockThatEnrolsAgain(t *testing.T) {
	t.Parallel()
	before := Report{{Rule: "R-ENROLL-1", Outcome: Pass}, {Rule: enrolRule, Outcome: Pass}, {Rule: "R-HELLO-1", Outcome: Pass}}
	for name, c := range map[string]struct {
		again again
		lost  error
		want  Outcome
		said  bool
	}{
		"not at all":               {again{open: true}, nil, Pass, false},
		"before its first session": {again{open: true, before: 2}, nil, Pass, true},
		"after it":                 {again{open: true, before: 1, after: 1}, nil, Fail, true},
		"and it is gone":           {again{before: 1}, errors.New("it does not dial"), Fail, true},
		"with something else":      {again{open: true, before: 1, odd: "Hello"}, nil, Fail, true},
	} {
		report := c.again.amend(t.Output(), append(Report(nil), before...), c.lost)
		if len(report) != 3 || report[1].Outcome != c.want || (report[1].Why != "") != c.said {
			t.Errorf("%s: %v", name, report)
		}
	}
	only := (&again{open: true, after: 1}).amend(t.Output(), Report{{Rule: "R-HELLO-1", Outcome: Pass}}, nil)
	if failed := only.Failed(); len(failed) != 1 || failed[0] != enrolRule {
		t.Errorf("a fault is told also where its rule was not asked for: %v", only)
	}
}
