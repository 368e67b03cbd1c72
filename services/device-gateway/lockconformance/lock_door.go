package lockconformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	forced   = lockwirev1.DoorAlarm_DOOR_ALARM_FORCED_OPEN
	heldOpen = lockwirev1.DoorAlarm_DOOR_ALARM_HELD_OPEN
	isOpen   = lockwirev1.Contact_CONTACT_OPEN
	isClosed = lockwirev1.Contact_CONTACT_CLOSED
	whatever = lockwirev1.DoorAlarm(-1) // either alarm, or none
)

const noDoorState = skip("the lock tells no state of its door")

// doorState is the state that the newest DOOR_STATE of this boot epoch tells.
func (b *inbox) doorState(epoch uint64) *lockwirev1.DoorState {
	var newest *lockwirev1.DoorState
	var at uint64
	for where, e := range b.events {
		if where.epoch == epoch && where.sequence > at && e.GetDoor() != nil {
			newest, at = e.GetDoor(), where.sequence
		}
	}
	return newest
}

// wholeDoorState: the first one of a boot epoch is event 2, and has the state.
func wholeDoorState(ctx context.Context, l *lockRun) error {
	if err := l.boot(ctx); err != nil {
		return err
	}
	return inLock(func(_ context.Context, l *lockRun, p *peer) error {
		b := newInbox(p, true)
		if _, err := b.event(place{l.hello.GetBootEpoch(), 1}); err != nil {
			return err
		}
		second := place{l.hello.GetBootEpoch(), 2}
		e, err := b.eventWithin(5*settle, second)
		if errors.Is(err, errNothing) {
			return noDoorState
		}
		if err != nil {
			return err
		}
		if e.GetKind() != lockwirev1.EventKind_EVENT_KIND_DOOR_STATE {
			return noDoorState
		}
		if e.GetDoor() == nil {
			return errors.New("DOOR_STATE without door")
		}
		return nil
	})(ctx, l)
}

// doorStep is something that happens to the door, and what the lock tells of it.
type doorStep struct {
	what    string
	act     func(ctx context.Context, b *inbox, d Doorway) error
	contact lockwirev1.Contact
	alarm   lockwirev1.DoorAlarm // that holds; 0: none of the two
}

// passes goes through steps at a door with a contact, in one session.
func passes(steps ...doorStep) check[*lockRun] {
	return func(ctx context.Context, l *lockRun) error {
		d, err := l.doorway()
		if err != nil {
			return err
		}
		return inLock(func(ctx context.Context, l *lockRun, p *peer) error {
			b := newInbox(p, true)
			if err := b.ready(); err != nil {
				return err
			}
			// So that the closed door that the steps begin with is a change.
			begin := []doorStep{{"the door is opened, before anything", open, isOpen, whatever}, {"it is closed, before anything", shut, isClosed, 0}}
			for _, s := range append(begin, steps...) {
				if err := operated(s.act(ctx, b, d)); err != nil {
					return err
				}
				if err := b.tells(l.hello.GetBootEpoch(), s); err != nil {
					return err
				}
			}
			return nil
		})(ctx, l)
	}
}

// tells waits for a state as a step wants it.
func (b *inbox) tells(epoch uint64, s doorStep) error {
	is := func() bool {
		state := b.doorState(epoch)
		if state == nil || state.GetContact() != s.contact {
			return false
		}
		if s.alarm == whatever {
			return true
		}
		for _, alarm := range []lockwirev1.DoorAlarm{forced, heldOpen} {
			if slices.Contains(state.GetAlarms(), alarm) != (alarm == s.alarm) {
				return false
			}
		}
		return true
	}
	if !is() {
		if err := b.until(b.p.patience, func(any) (bool, error) { return is(), nil }); err != nil {
			return fmt.Errorf("%s: the door is told as %v (%w)", s.what, b.doorState(epoch), err)
		}
	}
	return nil
}

func shut(ctx context.Context, _ *inbox, d Doorway) error { return d.Door(ctx, false) }
func open(ctx context.Context, _ *inbox, d Doorway) error { return d.Door(ctx, true) }

// unlockedFirst opens the door after a command unlocked it.
func unlockedFirst(ctx context.Context, b *inbox, d Doorway) error {
	if err := ordered(b, func(m *lockwirev1.Command) {
		m.Action = &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 60_000}}
	}); err != nil {
		return err
	}
	return d.Door(ctx, true)
}

// shutAndLocked closes the door and ends whatever unlocked it.
func shutAndLocked(ctx context.Context, b *inbox, d Doorway) error {
	if err := d.Door(ctx, false); err != nil {
		return err
	}
	return ordered(b, func(m *lockwirev1.Command) { m.Action = &lockwirev1.Command_Lock{Lock: &lockwirev1.Lock{}} })
}

// ordered carries out a command.
func ordered(b *inbox, action func(*lockwirev1.Command)) error {
	r, err := order(b, command(action))
	return expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE)
}

// forcedOpen is R-DOOR-2.
func forcedOpen(ctx context.Context, l *lockRun) error {
	steps := []doorStep{
		{"the locked door is opened", open, isOpen, forced},
		{"it is closed", shut, isClosed, 0},
		{"somebody asks to go out, and opens it", func(ctx context.Context, b *inbox, d Doorway) error {
			return errors.Join(d.Exit(ctx), d.Door(ctx, true))
		}, isOpen, 0},
		{"it is closed again", shut, isClosed, 0},
	}
	if l.can("command.unlock") == nil && l.can("command.lock") == nil {
		steps = append(steps, doorStep{"it is unlocked and opened", unlockedFirst, isOpen, 0}, doorStep{"it is closed at last", shutAndLocked, isClosed, 0})
	}
	return passes(steps...)(ctx, l)
}

// heldOpenTooLong is R-DOOR-3, with the shortest time that can be configured.
func heldOpenTooLong(ctx context.Context, l *lockRun) error {
	for _, needed := range []string{"command.unlock", "command.lock", "command.configure"} {
		if err := l.can(needed); err != nil {
			return err
		}
	}
	configured := func(ms uint32) func(context.Context, *inbox, Doorway) error {
		return func(ctx context.Context, b *inbox, d Doorway) error {
			return errors.Join(ordered(b, func(m *lockwirev1.Command) {
				m.Action = &lockwirev1.Command_Configure{Configure: &lockwirev1.Configuration{HeldOpenAfterMs: ms}}
			}), d.Door(ctx, false))
		}
	}
	return passes(
		doorStep{"it is configured", configured(1000), isClosed, 0},
		doorStep{"it is unlocked, opened and left open", unlockedFirst, isOpen, heldOpen},
		doorStep{"it is closed", shutAndLocked, isClosed, 0},
		doorStep{"it is closed still", configured(30_000), isClosed, 0},
	)(ctx, l)
}
