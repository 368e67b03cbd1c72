package lockconformance

import (
	"context"
	"errors"
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// lockdown: while it holds neither a gateway's grant, nor the bundle, nor a command opens, also after a boot; then it is lifted.
func lockdown(ctx context.Context, l *lockRun) error {
	var id string
	set := func(active bool) check[*lockRun] {
		return commanded("command.lockdown", func(_ context.Context, _ *lockRun, b *inbox) error {
			return ordered(b, func(m *lockwirev1.Command) {
				id = m.GetCommandId()
				m.Action = &lockwirev1.Command_Lockdown{Lockdown: &lockwirev1.Lockdown{Active: active}}
			})
		})
	}
	if err := set(true)(ctx, l); err != nil {
		return err
	}
	err := all(grantIsVain, commandIsVain, func(ctx context.Context, l *lockRun) error {
		if err := operatedOr(l.boot(ctx), nil); err != nil {
			return err
		}
		return inLock(func(context.Context, *lockRun, *peer) error { return nil })(ctx, l)
	}, func(context.Context, *lockRun) error {
		if l.hello.GetLockdownCommand() != id {
			return fmt.Errorf("Hello.lockdown_command is %q, where %s holds", l.hello.GetLockdownCommand(), id)
		}
		return nil
	}, grantIsVain, bundleIsVain)(ctx, l)
	if lifted := set(false)(ctx, l); lifted != nil {
		return errors.Join(err, lifted)
	}
	if err == nil {
		err = lockOpens(ctx, l)
	}
	return err
}

// operatedOr turns a skip into something else.
func operatedOr(err, instead error) error {
	var s skip
	if errors.As(err, &s) {
		return instead
	}
	return err
}

func grantIsVain(ctx context.Context, l *lockRun) error {
	_, e, err := swiped(ctx, l, func(p *peer, r *lockwirev1.AccessRequest) error { return p.send(grant(r)) })
	switch {
	case err != nil:
		return err
	case e.GetOutcome() == granted:
		return errors.New("a grant opens during a lockdown")
	case string(e.GetReceipt()) == receipt_ && e.GetReason() != inLockdown:
		return fmt.Errorf("a grant that counted is not recorded as refused for the lockdown: %v", e)
	}
	return nil
}

// commandIsVain: an unlock and a HoldOpen fail.
func commandIsVain(ctx context.Context, l *lockRun) error {
	return inLock(func(_ context.Context, l *lockRun, p *peer) error {
		b := newInbox(p, true)
		for capability, action := range map[string]func(*lockwirev1.Command){
			"command.unlock": unlock,
			"command.hold_open": func(m *lockwirev1.Command) {
				m.Action = &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: m.GetServerTimeMs() + 60_000}}
			},
		} {
			if l.can(capability) != nil {
				continue
			}
			r, err := order(b, command(action))
			if err := expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED); err != nil {
				return fmt.Errorf("%s during a lockdown: %w", capability, err)
			}
		}
		return nil
	})(ctx, l)
}

// bundleIsVain: who has a right in the bundle is not let in.
func bundleIsVain(ctx context.Context, l *lockRun) error {
	err := alone(func(s *solitude) error {
		e, err := s.ask(plainDoor(), s.known(&lockwirev1.BundleRight{GrantId: "grant_1"}))
		if err == nil && e.GetOutcome() == granted {
			return errors.New("the bundle opens during a lockdown")
		}
		return err
	})(ctx, l)
	return operatedOr(err, nil) // a lock without bundles
}
