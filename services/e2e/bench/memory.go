package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/e2e/bench/floor"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
)

// settle is how long a process may tidy up before its memory is read.
const settle = 2 * time.Second

// lockMemory opens many locks' sessions at a gateway that has just started and divides by how much its resident memory grew.
// Floor: as many connections to an echo that has just started. Resident memory is what the machine pays; it holds the
// handshakes' garbage too, on both sides. A lock shows a certificate and the echo's client none, as a bare client would.
func (r *run) lockMemory(ctx context.Context) ([]report.Result, error) {
	fleet, err := r.fleet(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := fleet.Grow(ctx, r.locks); err != nil {
		return nil, err
	}
	fmt.Printf("  %d locks enrolled: %s\n", len(fleet.Devices), time.Since(began).Round(time.Millisecond))
	echo, err := floor.Start(ctx, floor.EchoKind, []byte("answer"))
	if err != nil {
		return nil, err
	}
	defer echo.Stop()
	gateway, err := fleet.SecondGateway(ctx)
	if err != nil {
		return nil, err
	}
	defer gateway.Stop()
	ours, err := grown(gateway.PID(), r.locks, func() (func(), error) {
		locks, err := fleet.ConnectTo(ctx, gateway.Locks, 0, r.locks)
		return func() { closeAll(locks) }, err
	})
	if err != nil {
		return nil, err
	}
	bare, err := grown(echo.PID(), r.locks, func() (func(), error) {
		locks, err := connectBare(ctx, echo, r.locks)
		return func() { closeAll(locks) }, err
	})
	if err != nil {
		return nil, err
	}
	return []report.Result{report.New("lock_memory", "bytes", ours, bare, report.AtMost(1.5))}, nil
}

// grown is by how many bytes a process grows for each of n connections.
func grown(pid, n int, connect func() (stop func(), err error)) (float64, error) {
	time.Sleep(settle)
	before, err := system.Resident(pid)
	if err != nil {
		return 0, err
	}
	stop, err := connect()
	defer stop()
	if err != nil {
		return 0, err
	}
	time.Sleep(settle)
	after, err := system.Resident(pid)
	return (after - before) / float64(n), err
}
