package main

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/cardea-mesh/cardea/services/device-gateway/lockconformance"
)

func TestAPersonAnswers(t *testing.T) {
	in, typed := io.Pipe()
	p := newPerson(in, io.Discard)
	for text, want := range map[string]error{"\n": nil, "s\n": lockconformance.ErrCannot, "done\n": nil} {
		asked := make(chan error)
		out := &signalled{said: make(chan struct{})}
		p.out = out
		go func() { asked <- p.ask(t.Context(), "boot the lock") }()
		<-out.said
		io.WriteString(typed, text)
		if err := <-asked; !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	p.out = io.Discard
	ended, end := context.WithCancel(t.Context())
	end()
	if err := p.watch(ended, "present a card"); !errors.Is(err, context.Canceled) {
		t.Errorf("what was seen already: %v", err)
	}
	typed.Close()
	if err := p.ask(t.Context(), "boot the lock"); !errors.Is(err, lockconformance.ErrCannot) {
		t.Errorf("nobody there: %v", err)
	}
}

// signalled says when something was printed.
type signalled struct{ said chan struct{} }

func (s *signalled) Write(b []byte) (int, error) {
	close(s.said)
	return len(b), nil
}
