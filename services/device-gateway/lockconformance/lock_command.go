package lockconformance

import (
	"context"
	"fmt"
	"strconv"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// command is a command of now, with a new id.
func command(action func(*lockwirev1.Command)) *lockwirev1.Command {
	m := &lockwirev1.Command{
		CommandId: "command_" + strconv.FormatInt(time.Now().UnixNano(), 36), ServerTimeMs: nowMS(), NotAfterMs: nowMS() + 60_000,
	}
	action(m)
	return m
}

func unlock(m *lockwirev1.Command) {
	m.Action = &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 500}}
}

// order sends a command and is what the lock answers; its events are taken.
func order(b *inbox, m *lockwirev1.Command) (*lockwirev1.CommandResult, error) {
	if err := b.p.send(m); err != nil {
		return nil, err
	}
	var result *lockwirev1.CommandResult
	err := b.until(b.p.patience, func(m any) (bool, error) {
		r, ok := m.(*lockwirev1.CommandResult)
		result = r
		return ok, nil
	})
	if err == nil && result.GetCommandId() != m.GetCommandId() {
		err = fmt.Errorf("the result is for %q", result.GetCommandId())
	}
	return result, err
}

// commanded runs something in a session of a lock that names a capability.
func commanded(capability string, do func(ctx context.Context, l *lockRun, b *inbox) error) check[*lockRun] {
	return inLock(func(ctx context.Context, l *lockRun, p *peer) error {
		if err := l.can(capability); err != nil {
			return err
		}
		return do(ctx, l, newInbox(p, true))
	})
}

func expect(r *lockwirev1.CommandResult, err error, want lockwirev1.CommandOutcome) error {
	if err == nil && r.GetOutcome() != want {
		return fmt.Errorf("the result is %s, not %s", r.GetOutcome(), want)
	}
	return err
}

func repeatsItsAnswer(ctx context.Context, l *lockRun) error {
	return commanded("command.unlock", func(_ context.Context, _ *lockRun, b *inbox) error {
		m := command(unlock)
		for range 2 {
			r, err := order(b, m)
			if err := expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE); err != nil {
				return err
			}
		}
		if err := b.commandEvent(m.GetCommandId()); err != nil {
			return err
		}
		if err := b.quiet(); err != nil {
			return err
		}
		if n := b.count(m.GetCommandId()); n != 1 {
			return fmt.Errorf("%d events of one command", n)
		}
		return nil
	})(ctx, l)
}

// commandEvent waits for the event of a command.
func (b *inbox) commandEvent(id string) error {
	if b.count(id) > 0 {
		return nil
	}
	if err := b.until(b.p.patience, func(any) (bool, error) { return b.count(id) > 0, nil }); err != nil {
		return fmt.Errorf("no event of the command: %w", err)
	}
	return nil
}

// count is how many events name a command.
func (b *inbox) count(id string) int {
	n := 0
	for _, e := range b.events {
		if e.GetCommandId() == id {
			n++
		}
	}
	return n
}

func tooLate(ctx context.Context, l *lockRun) error {
	return commanded("command.unlock", func(_ context.Context, _ *lockRun, b *inbox) error {
		r, err := order(b, command(func(m *lockwirev1.Command) {
			unlock(m)
			m.NotAfterMs = m.ServerTimeMs - 1
		}))
		return expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED)
	})(ctx, l)
}

func unknownAction(ctx context.Context, l *lockRun) error {
	return inLock(func(_ context.Context, _ *lockRun, p *peer) error {
		m := command(func(*lockwirev1.Command) {})
		m.ProtoReflect().SetUnknown([]byte{0x72, 0x02, 0x08, 0x01}) // action 14
		r, err := order(newInbox(p, true), m)
		if err := expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED); err != nil {
			return err
		}
		return p.alive()
	})(ctx, l)
}

func commandEvent(ctx context.Context, l *lockRun) error {
	return commanded("command.unlock", func(_ context.Context, _ *lockRun, b *inbox) error {
		m := command(unlock)
		r, err := order(b, m)
		if err != nil {
			return err
		}
		if err := b.commandEvent(m.GetCommandId()); err != nil {
			return err
		}
		for _, e := range b.events {
			if e.GetCommandId() == m.GetCommandId() && (e.GetKind() != lockwirev1.EventKind_EVENT_KIND_COMMAND || e.GetCommandOutcome() != r.GetOutcome()) {
				return fmt.Errorf("the event is %s with %s", e.GetKind(), e.GetCommandOutcome())
			}
		}
		return nil
	})(ctx, l)
}
