package story

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"go.opentelemetry.io/otel/trace"
)

// patience bounds what a lock waits for: a session, a decision.
const patience = 15 * time.Second

// lock is a simulated lock with an open session, or one that is reconnecting.
type lock struct {
	sim  *locksim.Lock
	stop context.CancelFunc
	done chan error
}

// enrol exchanges the claim code for an identity, boots the lock and waits for its session.
func enrol(ctx context.Context, gateway, claim, dir string, tracer trace.TracerProvider) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	store := locksim.Dir(dir)
	if _, err := locksim.Enroll(ctx, store, gateway, claim); err != nil {
		return nil, err
	}
	sim, err := locksim.Open(locksim.Config{
		Store: store, Model: "story", Tracer: tracer, BackoffMin: 100 * time.Millisecond, BackoffMax: time.Second,
		// The gateway learns of the new device from the access state, a moment after it has signed its certificate.
		RefusedWait: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	l := &lock{sim: sim, stop: stop, done: make(chan error, 1)}
	go func() { l.done <- sim.Run(running) }()
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := sim.WaitOpen(waiting); err != nil {
		l.close()
		return nil, fmt.Errorf("no session: %w (last: %v)", err, sim.LastError())
	}
	return l, nil
}

func (l *lock) id() string { return l.sim.DeviceID() }

func (l *lock) close() {
	l.stop()
	<-l.done
}

// answer is what a lock did when something was presented.
type answer struct {
	opened  bool
	reason  permissionsv1.DecisionReason
	eventID string
	trace   trace.TraceID
}

func (a answer) String() string {
	outcome := "refused"
	if a.opened {
		outcome = "opened"
	}
	return outcome + ": " + strings.TrimPrefix(a.reason.String(), "DECISION_REASON_")
}

func (l *lock) present(ctx context.Context, what locksim.Presented) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.sim.WaitOpen(ctx); err != nil {
		return answer{}, fmt.Errorf("no session: %w (last: %v)", err, l.sim.LastError())
	}
	got := l.sim.PresentAs(ctx, what)
	return answer{
		opened: got.Granted, reason: permissionsv1.DecisionReason(got.Reason), trace: got.TraceID,
		eventID: fmt.Sprintf("%s.%d.%d", l.id(), got.Epoch, got.Sequence),
	}, nil
}
