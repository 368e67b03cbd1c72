package locksim

import (
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

func TestABootFillsWhatWasReservedBeforeSomethingWritten(t *testing.T) {
	r := &epochRing{Epoch: 1, First: 1, Next: 1}
	for range 5 {
		r.reserve()
	}
	written := &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_COMMAND}
	r.fill(1, written)
	r.fill(3, written)
	if n := len(r.written()); n != 1 {
		t.Fatalf("%d may be sent before the boot", n)
	}
	r.afterBoot() // 2 was behind 1 and before 3; 4 and 5 were at the end
	if n := len(r.written()); n != 3 || r.Next != 4 {
		t.Fatalf("%d may be sent, the next would be %d", n, r.Next)
	}
	if e := r.Events[1].event; e.GetKind() != lockwirev1.EventKind_EVENT_KIND_ACCESS || e.GetOutcome() != lockwirev1.Outcome_OUTCOME_DENIED {
		t.Fatalf("2 is %v", e)
	}
	if r.Events[0].event != written || r.Events[2].event != written {
		t.Fatal("what was written is gone")
	}
}
