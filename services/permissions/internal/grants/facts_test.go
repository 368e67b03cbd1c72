package grants_test

import (
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"pgregory.net/rapid"
)

// What was true before the end stays true, nothing is true from then on, and no interval ends before it begins.
func TestEndingKeepsThePastAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := func(name string) time.Time { return time.Unix(rapid.Int64Range(0, 20).Draw(t, name), 0).UTC() }
		v := grants.Validity{From: moment("from")}
		if rapid.Bool().Draw(t, "ends") {
			v.To = v.From.Add(time.Duration(rapid.Int64Range(0, 20).Draw(t, "for")) * time.Second)
		}
		end := moment("end")
		ended := v.EndedAt(end)
		if ended.From != v.From || ended.To.IsZero() || ended.To.Before(ended.From) {
			t.Fatalf("%v ended at %v is %v", v, end, ended)
		}
		for s := range int64(45) {
			at := time.Unix(s, 0)
			if got, want := ended.Holds(at), v.Holds(at) && at.Before(end); got != want {
				t.Fatalf("%v ended at %v: holds at %v = %v", v, end, at, got)
			}
		}
		if again := ended.EndedAt(end.Add(time.Second)); again != ended {
			t.Fatalf("ended again: %v, then %v", ended, again)
		}
	})
}
