package lockconformance_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

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

// eager enrols again with the same code: at once when it is told to, and before its door is used.
type eager struct {
	*simulated.Operator
	t             *testing.T
	address, code string
	mu            sync.Mutex
	enrolled      int
	// forgets: the second enrolment throws away what the lock has, and begins when the first has worked.
	forgets bool
	refused []error
}

// again is an enrolment beside the lock's own.
func (e *eager) again() {
	_, err := locksim.Enroll(e.t.Context(), new(locksim.Memory), e.address, e.code)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, err)
}

// Enrol implements lockconformance.Operator.
func (e *eager) Enrol(ctx context.Context, address, code string) error {
	e.address, e.code = address, code
	if e.enrolled++; e.enrolled == 1 {
		return e.Operator.Enrol(ctx, address, code)
	}
	if !e.forgets {
		return e.Operator.Enrol(ctx, address, code)
	}
	go func() {
		if _, err := locksim.Enroll(e.t.Context(), new(locksim.Memory), address, code); err == nil {
			e.again()
		}
	}()
	return nil
}

// Present implements lockconformance.Operator.
func (e *eager) Present(ctx context.Context) error {
	go e.again()
	return e.Operator.Present(ctx)
}

// A lock that enrols once more within a run is answered as by any gateway, and the run goes on: that it did is a finding.
func TestALockThatEnrolsAgainFailsThereOnly(t *testing.T) {
	t.Parallel()
	e := &eager{Operator: operatorOf(t), t: t}
	report, err := lockconformance.Lock(t.Context(), lockconformance.LockConfig{
		Listener: listen(t), Operator: e, Out: t.Output(),
		Only: []string{"R-FRAME-1", "R-ENROLL-1", "R-ENROLL-2", "R-HELLO-1", "R-ACCESS-1", "R-ACCESS-4", "R-ACCESS-5", "R-ACCESS-6"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed := report.Failed(); len(failed) != 1 || failed[0] != "R-ENROLL-2" {
		t.Errorf("failed: %v", failed)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.refused) == 0 || e.refused[0] == nil {
		t.Errorf("the used code was taken: %v", e.refused)
	}
}

// One that has thrown away what it had opens no session any more: that is a finding, and not the end of the kit.
func TestALockThatForgetsItselfWhenItEnrolsAgainIsFound(t *testing.T) {
	t.Parallel()
	report, err := lockconformance.Lock(t.Context(), lockconformance.LockConfig{
		Listener: listen(t), Operator: &eager{Operator: operatorOf(t), t: t, forgets: true}, Out: t.Output(), Patience: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed := report.Failed(); len(failed) != 1 || failed[0] != "R-ENROLL-2" {
		t.Errorf("failed: %v", failed)
	}
}
