package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// person is somebody at the terminal who stands at the lock.
type person struct{}

// Enrol implements lockconformance.Operator.
func (person) Enrol(_ context.Context, address, code string) error {
	return ask("give the lock the claim code " + code + " and the endpoint " + address + " (it is asked for twice: the first time it must refuse)")
}

// Present implements lockconformance.Operator.
func (person) Present(context.Context) error { return ask("present a card") }

// Boot implements lockconformance.Operator.
func (person) Boot(context.Context) error { return ask("boot the lock") }

func ask(what string) error {
	fmt.Println(">>>", what+"; then Enter (s: it cannot be done)")
	text, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(text) == "s" {
		return lockconformance.ErrCannot
	}
	return nil
}

// simulated is a simulated lock that does what is asked.
type simulated struct {
	ctx   context.Context
	store *locksim.Memory
	lock  *locksim.Lock
	stop  func()
}

// Enrol implements lockconformance.Operator.
func (s *simulated) Enrol(_ context.Context, address, code string) error {
	go func() {
		if _, err := locksim.Enroll(s.ctx, s.store, address, code); err == nil {
			s.run()
		}
	}()
	return nil
}

func (s *simulated) run() {
	lock, err := locksim.Open(locksim.Config{
		Store: s.store, BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond, RefusedWait: 100 * time.Millisecond,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "lock-conformance:", err)
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
