package lockconformance_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// simulated is an operator whose lock is a simulated one.
type simulated struct {
	t      *testing.T
	store  *locksim.Memory
	config func(*locksim.Config)
	ctx    context.Context
	lock   *locksim.Lock
	stop   func()
	tries  int
}

// Enrol implements lockconformance.Operator; the first code is one that the lock must not use.
func (s *simulated) Enrol(_ context.Context, address, code string) error {
	s.tries++
	last := s.tries == 2
	go func() {
		ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
		defer cancel()
		_, err := locksim.Enroll(ctx, s.store, address, code)
		switch {
		case last && err != nil:
			s.t.Error(err)
		case last:
			s.run()
		case !errors.Is(err, locksim.ErrWrongRoot):
			s.t.Errorf("a server of another root: %v", err)
		}
	}()
	return nil
}

func (s *simulated) run() {
	c := locksim.Config{Store: s.store, BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond, RefusedWait: 100 * time.Millisecond}
	s.config(&c)
	lock, err := locksim.Open(c)
	if err != nil {
		s.t.Error(err)
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() { defer close(done); lock.Run(ctx) }()
	s.lock, s.stop = lock, func() { cancel(); <-done }
}

// Present implements lockconformance.Operator.
func (s *simulated) Present(ctx context.Context) error {
	go s.lock.Present(ctx, locksim.Wiegand26(17, 4711))
	return nil
}

// Boot implements lockconformance.Operator.
func (s *simulated) Boot(context.Context) error {
	s.stop()
	s.run()
	return nil
}

func lockReport(t *testing.T, wrap func(net.Listener) net.Listener, config func(*locksim.Config)) (lockconformance.Report, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var out bytes.Buffer
	s := &simulated{t: t, store: new(locksim.Memory), config: config, ctx: t.Context()}
	report, err := lockconformance.Lock(t.Context(), lockconformance.LockConfig{Listener: wrap(l), Operator: s, Out: &out})
	if err != nil {
		t.Fatal(err, out.String())
	}
	if s.stop != nil {
		s.stop()
	}
	return report, out.String()
}

func TestTheSimulatedLockKeepsTheRules(t *testing.T) {
	report, out := lockReport(t, func(l net.Listener) net.Listener { return l }, func(*locksim.Config) {})
	t.Log(out)
	if failed := report.Failed(); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	if n := report.Count(lockconformance.Pass); n < 45 {
		t.Errorf("only %d rules were looked at", n)
	}
}

