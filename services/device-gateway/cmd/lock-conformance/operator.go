package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
)

// person is somebody at the terminal who stands at the lock, or commands the gateway's system.
type person struct {
	lines <-chan string // closed at the end of what is typed
	out   io.Writer
}

func newPerson(in io.Reader, out io.Writer) person {
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return person{lines, out}
}

// ask has somebody do something, and returns when they say that it is done.
func (p person) ask(ctx context.Context, what string) error {
	return p.wait(ctx, what+"; then Enter (s and Enter: it cannot be done)")
}

// watch has somebody do something that the kit itself sees, and then ends ctx.
func (p person) watch(ctx context.Context, what string) error {
	return p.wait(ctx, what+" (s and Enter: it cannot be done)")
}

func (p person) wait(ctx context.Context, what string) error {
	for len(p.lines) > 0 { // typed before it was asked
		<-p.lines
	}
	fmt.Fprintln(p.out, ">>>", what)
	select {
	case line, ok := <-p.lines:
		if !ok || strings.TrimSpace(line) == "s" {
			return lockconformance.ErrCannot
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// atLock is a person at the lock under test.
type atLock struct {
	person
	enrolled int // how often it was asked to be
}

// Enrol implements lockconformance.Operator.
func (a *atLock) Enrol(ctx context.Context, address, code string) error {
	a.enrolled++
	note := "the server shows another root: the lock has to refuse it"
	if a.enrolled > 1 {
		note = "once more with the same: now it has to work"
	}
	return a.watch(ctx, "have the lock enrol with the claim code "+code+" at "+address+" ("+note+")")
}

// Present implements lockconformance.Operator.
func (a *atLock) Present(ctx context.Context) error {
	return a.watch(ctx, "present a card, always the same")
}

// Boot implements lockconformance.Operator.
func (a *atLock) Boot(ctx context.Context) error { return a.ask(ctx, "boot the lock") }

// Type implements lockconformance.Keypad.
func (a *atLock) Type(ctx context.Context, digits string, card bool) error {
	if card {
		return a.watch(ctx, "type "+digits+" and present the card, so that the lock asks with both")
	}
	return a.watch(ctx, "type the entry code "+digits)
}

// PresentKey implements lockconformance.Phone.
func (a *atLock) PresentKey(ctx context.Context) error {
	return a.watch(ctx, "present a phone, or a card with a key")
}

// Door implements lockconformance.Doorway.
func (a *atLock) Door(ctx context.Context, open bool) error {
	if open {
		return a.ask(ctx, "open the door (its contact)")
	}
	return a.ask(ctx, "close the door (its contact)")
}

// Exit implements lockconformance.Doorway.
func (a *atLock) Exit(ctx context.Context) error { return a.ask(ctx, "ask to go out (the button)") }

// atGateway is a person who commands the system of the gateway under test.
type atGateway struct{ person }

// Unlock implements lockconformance.GatewayOperator.
func (a atGateway) Unlock(ctx context.Context, device string) error {
	return a.ask(ctx, "order an unlock of the door by "+device+" and do not wait for its result")
}

// TakeCard implements lockconformance.GatewayOperator.
func (a atGateway) TakeCard(ctx context.Context) error {
	return a.ask(ctx, "take the card away from its person")
}

// Revoke implements lockconformance.GatewayOperator.
func (a atGateway) Revoke(ctx context.Context, device string) error {
	return a.ask(ctx, "revoke "+device+", for ever")
}
