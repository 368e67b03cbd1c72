package lockconformance_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance/simulated"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func operatorOf(t *testing.T) *simulated.Operator {
	t.Helper()
	o, err := simulated.New(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

func TestTheSimulatedLockKeepsTheRules(t *testing.T) {
	t.Parallel()
	o := operatorOf(t)
	report, err := lockconformance.Lock(t.Context(), lockconformance.LockConfig{
		Listener: listen(t), Operator: o, Out: t.Output(), Image: []byte("a maker's image, which is longer than a line"), ImageVersion: "2.0",
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed := report.Failed(); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	if n := report.Count(lockconformance.Pass); n < 90 {
		t.Errorf("only %d rules were looked at", n)
	}
	if refused := o.Refused(); len(refused) != 1 || !errors.Is(refused[0], locksim.ErrWrongRoot) {
		t.Errorf("the code of another root, and nothing else, was to be refused: %v", refused)
	}
}

// forgetful does not boot when it is told to: a lock that loses its counter.
type forgetful struct{ *simulated.Operator }

// Boot implements lockconformance.Operator.
func (forgetful) Boot(context.Context) error { return nil }

// TestALockThatKeepsItsBootEpochFails: and only there.
func TestALockThatKeepsItsBootEpochFails(t *testing.T) {
	t.Parallel()
	report, err := lockconformance.Lock(t.Context(), lockconformance.LockConfig{
		Listener: listen(t), Operator: forgetful{operatorOf(t)}, Out: t.Output(), Only: []string{"R-FRAME-1", "R-HELLO-1", "R-HELLO-8", "R-BEAT-1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed := report.Failed(); len(failed) != 1 || failed[0] != "R-HELLO-8" {
		t.Errorf("failed: %v", failed)
	}
}
