package lockconformance

import (
	"context"
	"errors"
)

// ErrCannot is an operator's answer to what it cannot do; the rule is skipped.
var ErrCannot = errors.New("the operator cannot do that")

// Operator stands at the lock under test. One who can do more implements Keypad, Phone or Doorway, too.
type Operator interface {
	// Enrol gives the lock a claim code and where to dial. It returns when the lock has it, or when ctx ends: the
	// lock has dialled.
	Enrol(ctx context.Context, address, code string) error
	// Present presents a card, the same each time. It returns when that is done, or when ctx ends: the lock has asked.
	Present(ctx context.Context) error
	// Boot boots the lock. It returns when the lock has begun to.
	Boot(ctx context.Context) error
}

// Keypad is an Operator at a lock with a keypad.
type Keypad interface {
	// Type types digits, and with card presents the card of Present, too, so that the lock asks with both.
	Type(ctx context.Context, digits string, card bool) error
}

// Phone is an Operator with a phone, or a card, that has a key.
type Phone interface {
	PresentKey(ctx context.Context) error
}

// Doorway is an Operator at a door with a contact.
type Doorway interface {
	// Door opens or closes the door, without the lock.
	Door(ctx context.Context, open bool) error
	// Exit asks to go out, e.g. by a button.
	Exit(ctx context.Context) error
}

// operated is what an operator's answer means for a rule.
func operated(err error) error {
	if errors.Is(err, ErrCannot) {
		return skip("it takes an operator who can do that")
	}
	return err
}

func (l *lockRun) keypad() (Keypad, error) {
	if k, ok := l.cfg.Operator.(Keypad); ok {
		return k, nil
	}
	return nil, skip("it takes a keypad")
}

func (l *lockRun) doorway() (Doorway, error) {
	if d, ok := l.cfg.Operator.(Doorway); ok {
		return d, nil
	}
	return nil, skip("it takes a door that the operator opens")
}

// boot boots the lock.
func (l *lockRun) boot(ctx context.Context) error { return operated(l.cfg.Operator.Boot(ctx)) }
