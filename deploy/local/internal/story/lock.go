package story

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
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
	dead *atomic.Bool // its line is cut
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
	dead := new(atomic.Bool)
	sim, err := locksim.Open(locksim.Config{
		Store: store, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if dead.Load() {
				return nil, errLineCut
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		Model: "story", Tracer: tracer, BackoffMin: 100 * time.Millisecond, BackoffMax: time.Second,
		// The gateway learns of the new device from the access state, a moment after it has signed its certificate.
		RefusedWait: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	l := &lock{sim: sim, stop: stop, done: make(chan error, 1), dead: dead}
	go func() { l.done <- sim.Run(running) }()
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := sim.WaitOpen(waiting); err != nil {
		l.close()
		return nil, fmt.Errorf("no session: %w (last: %v)", err, sim.LastError())
	}
	return l, nil
}

var errLineCut = errors.New("the lock's line is cut")

// cut cuts the lock's line, and waits until it has noticed.
func (l *lock) cut(ctx context.Context) error {
	l.dead.Store(true)
	l.sim.Disconnect()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.sim.WaitClosed(ctx)
}

// mend puts the line together again, and waits for the session.
func (l *lock) mend(ctx context.Context) error {
	l.dead.Store(false)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.sim.WaitOpen(ctx)
}

func (l *lock) id() string { return l.sim.DeviceID() }

func (l *lock) close() {
	l.stop()
	<-l.done
}

// answer is what a lock did when something was presented.
type answer struct {
	opened  bool
	alone   bool // the lock decided from its bundle
	reason  permissionsv1.DecisionReason
	eventID string
	trace   trace.TraceID
}

func (a answer) String() string {
	outcome := "refused"
	if a.opened {
		outcome = "opened"
	}
	if a.alone {
		outcome += " by the lock alone"
	}
	return outcome + ": " + strings.TrimPrefix(a.reason.String(), "DECISION_REASON_")
}

func (l *lock) present(ctx context.Context, what locksim.Presented) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.sim.WaitOpen(ctx); err != nil {
		return answer{}, fmt.Errorf("no session: %w (last: %v)", err, l.sim.LastError())
	}
	return l.ask(ctx, what), nil
}

// ask presents something, with a session or without.
func (l *lock) ask(ctx context.Context, what locksim.Presented) answer {
	got := l.sim.PresentAs(ctx, what)
	return answer{
		opened: got.Granted, alone: got.Offline, reason: permissionsv1.DecisionReason(got.Reason), trace: got.TraceID,
		eventID: fmt.Sprintf("%s.%d.%d", l.id(), got.Epoch, got.Sequence),
	}
}
