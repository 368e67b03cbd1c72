// Command lock-simulator is one lock on the true protocol.
//
//	lock-simulator -state DIR -gateway HOST:PORT -claim CODE   enrol (once), then stay connected
//	lock-simulator -state DIR                                  boot again and stay connected
//	lock-simulator -state DIR -swipe WHAT                      connect, present it, wait until the event is durable, exit
//
// WHAT is a card, a phone or an entry code: `26:FACILITY-NUMBER` (also `34:` and `37:`), `uid:HEX`, bits as 0 and 1, `key:FILE`
// (a phone's private key, which signs the lock's nonce), `pkoc:FILE` (a PKOC card's) or `code:DIGITS`; `+PIN` behind a card or
// key is typed besides. While it stays connected each line of standard input is one. It prints one line for each thing that
// happens; exit status 1 tells a failure, 3 a refused -swipe.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

var errRefused = errors.New("refused")

func main() {
	state := flag.String("state", "", "the `folder` that is the lock's flash")
	gateway := flag.String("gateway", "", "the `address` to enrol at")
	claim := flag.String("claim", "", "the claim `code` to enrol with")
	swipe := flag.String("swipe", "", "present `WHAT` (e.g. 26:17-4711, key:phone.pem or code:24681357) and exit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := simulate(ctx, *state, *gateway, *claim, *swipe)
	switch {
	case errors.Is(err, errRefused):
		os.Exit(3)
	case err != nil:
		fmt.Fprintln(os.Stderr, "lock-simulator:", err)
		os.Exit(1)
	}
}

func simulate(ctx context.Context, state, gateway, claim, swipe string) error {
	if state == "" {
		return errors.New("-state DIR is needed")
	}
	store := locksim.Dir(state)
	if claim != "" {
		device, err := locksim.Enroll(ctx, store, gateway, claim)
		if err != nil {
			return fmt.Errorf("enrol: %w", err)
		}
		fmt.Println("enrolled as", device)
	}
	lock, err := locksim.Open(locksim.Config{Store: store})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); lock.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if swipe != "" {
		return once(ctx, lock, swipe)
	}
	return follow(ctx, lock)
}

// once presents one thing.
func once(ctx context.Context, lock *locksim.Lock, swipe string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := lock.WaitOpen(ctx); err != nil {
		return err
	}
	granted, err := present(ctx, lock, swipe)
	if err != nil {
		return err
	}
	if err := lock.WaitDurable(ctx); err != nil {
		return err
	}
	fmt.Println("durable")
	if !granted {
		return errRefused
	}
	return nil
}

// follow presents what each line says until the input or ctx ends.
func follow(ctx context.Context, lock *locksim.Lock) error {
	fmt.Println("booted", lock.DeviceID(), "boot epoch", lock.BootEpoch())
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case text, ok := <-lines:
			if !ok {
				<-ctx.Done() // nothing more to present; stay connected
				return nil
			}
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			if _, err := present(ctx, lock, text); err != nil {
				fmt.Println("error:", err)
			}
		}
	}
}

func present(ctx context.Context, lock *locksim.Lock, text string) (bool, error) {
	what, err := locksim.ParsePresented(text)
	if err != nil {
		return false, err
	}
	got := lock.PresentAs(ctx, what)
	switch {
	case got.Granted:
		fmt.Printf("granted: unlocked for %s (answered in %s) event %d.%d\n", got.UnlockFor, got.Took.Round(time.Microsecond), got.Epoch, got.Sequence)
	case got.Answered:
		reason := strings.TrimPrefix(permissionsv1.DecisionReason(got.Reason).String(), "DECISION_REASON_")
		fmt.Printf("denied: %s (answered in %s) event %d.%d\n", reason, got.Took.Round(time.Microsecond), got.Epoch, got.Sequence)
	default:
		fmt.Printf("denied: no gateway answered (%v) event %d.%d\n", lock.LastError(), got.Epoch, got.Sequence)
	}
	return got.Granted, nil
}
