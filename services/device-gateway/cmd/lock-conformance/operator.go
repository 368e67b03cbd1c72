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
	in  *bufio.Reader
	out io.Writer
}

// ask has somebody do something, and returns when it is done.
func (p person) ask(what string) error {
	fmt.Fprintf(p.out, ">>> %s; then Enter (s and Enter: it cannot be done)\n", what)
	text, err := p.in.ReadString('\n')
	if err != nil || strings.TrimSpace(text) == "s" {
		return lockconformance.ErrCannot
	}
	return nil
}

// atLock is a person at the lock under test.
type atLock struct{ person }

// Enrol implements lockconformance.Operator.
func (a atLock) Enrol(_ context.Context, address, code string) error {
	return a.ask("have the lock enrol with the claim code " + code + " at " + address + " (this is asked twice: the first time the lock must refuse)")
}

// Present implements lockconformance.Operator.
func (a atLock) Present(context.Context) error { return a.ask("present a card, always the same") }

// Boot implements lockconformance.Operator.
func (a atLock) Boot(context.Context) error { return a.ask("boot the lock") }

// Type implements lockconformance.Keypad.
func (a atLock) Type(_ context.Context, digits string, card bool) error {
	if card {
		return a.ask("type " + digits + " and present the card, so that the lock asks with both")
	}
	return a.ask("type the entry code " + digits)
}

// PresentKey implements lockconformance.Phone.
func (a atLock) PresentKey(context.Context) error {
	return a.ask("present a phone, or a card with a key")
}

// Door implements lockconformance.Doorway.
func (a atLock) Door(_ context.Context, open bool) error {
	if open {
		return a.ask("open the door (its contact)")
	}
	return a.ask("close the door (its contact)")
}

// Exit implements lockconformance.Doorway.
func (a atLock) Exit(context.Context) error { return a.ask("ask to go out (the button)") }

// atGateway is a person who commands the system of the gateway under test.
type atGateway struct{ person }

// Unlock implements lockconformance.GatewayOperator.
func (a atGateway) Unlock(_ context.Context, device string) error {
	return a.ask("order an unlock of the door by " + device)
}

// TakeCard implements lockconformance.GatewayOperator.
func (a atGateway) TakeCard(context.Context) error {
	return a.ask("take the card away from its person")
}

// Revoke implements lockconformance.GatewayOperator.
func (a atGateway) Revoke(_ context.Context, device string) error {
	return a.ask("revoke " + device + ", for ever")
}
