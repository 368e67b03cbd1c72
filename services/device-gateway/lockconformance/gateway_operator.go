package lockconformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

// GatewayOperator commands the system of the gateway under test. What it cannot do is answered with ErrCannot.
type GatewayOperator interface {
	// Unlock orders an unlock by a device. It returns when that is ordered, or when it is known that the device cannot do it; the
	// answer is not waited for. When ctx ends the command has come; the order goes on.
	Unlock(ctx context.Context, device string) error
	// TakeCard takes Config.Card away from whoever has it.
	TakeCard(ctx context.Context) error
	// Revoke ends a device for ever.
	Revoke(ctx context.Context, device string) error
}

const operator = skip("it takes somebody who commands the gateway")

// commandable is a session of a lock that can unlock.
func (g *gatewayRun) commandable(ctx context.Context, change func(*lockwirev1.Hello)) (*peer, *lockwirev1.Welcome, error) {
	h := g.hello()
	h.Capabilities = []string{"command.unlock"}
	change(h)
	return g.session(ctx, h)
}

// onlyWhatItCan: an unlock is sent to a lock that names it, with what a lock needs, and not to one that does not.
func onlyWhatItCan(ctx context.Context, g *gatewayRun) error {
	if g.cfg.Operator == nil {
		return operator
	}
	p, _, err := g.session(ctx, g.hello())
	if err != nil {
		return err
	}
	defer p.close()
	if err := operated(g.cfg.Operator.Unlock(ctx, g.name)); err != nil {
		return err
	}
	if _, err := await[*lockwirev1.Command](p, time.Second); err == nil {
		return errors.New("a lock that does not name `command.unlock` is told to unlock")
	} else if !errors.Is(err, errNothing) {
		return err
	}
	p.close()
	p, _, err = g.commandable(ctx, func(*lockwirev1.Hello) {})
	if err != nil {
		return err
	}
	defer p.close()
	c, err := g.ordered(ctx, p)
	if err != nil {
		return err
	}
	if c.GetUnlock() == nil || c.GetNotAfterMs() == 0 || c.GetServerTimeMs() == 0 {
		return fmt.Errorf("the command is %v", c)
	}
	done := &lockwirev1.CommandResult{CommandId: c.GetCommandId(), Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE}
	return errors.Join(p.send(done), p.alive())
}

// ordered has the operator order an unlock, and is the command that comes; it is there before a person says that it was ordered.
func (g *gatewayRun) ordered(ctx context.Context, p *peer) (*lockwirev1.Command, error) {
	acting, stop := context.WithCancel(ctx)
	defer stop()
	acted := make(chan error, 1)
	go func() { acted <- g.cfg.Operator.Unlock(acting, g.name) }()
	const walk = 2 * time.Minute
	for end := time.Now().Add(walk); ; {
		c, err := await[*lockwirev1.Command](p, 200*time.Millisecond)
		if !errors.Is(err, errNothing) || time.Now().After(end) {
			return c, err
		}
		select {
		case err := <-acted:
			if err != nil {
				return nil, operated(err)
			}
			end = time.Now().Add(p.patience)
		default:
		}
	}
}

// commandGoesOn: a command without an answer comes again, as it was, when the session goes on. A slow machine gets another try: a command
// may have ended before the lock was back.
func commandGoesOn(ctx context.Context, g *gatewayRun) error {
	if g.cfg.Operator == nil {
		return operator
	}
	const tries = 3
	for range tries {
		first, again, err := g.brokenOrder(ctx)
		switch {
		case err == nil && !proto.Equal(withoutTime(first), withoutTime(again)):
			return fmt.Errorf("%v comes again as %v", first, again)
		case err == nil:
			return nil
		case !errors.Is(err, errNothing) || nowMS() < first.GetNotAfterMs():
			return err
		}
	}
	return skip(fmt.Sprintf("the command's time was over before the session went on, %d times", tries))
}

// withoutTime is a command without what is of the moment of its sending.
func withoutTime(c *lockwirev1.Command) *lockwirev1.Command {
	c = proto.CloneOf(c)
	c.ServerTimeMs = 0
	return c
}

// brokenOrder breaks a session in which a command came, and is the command and what comes in the session that goes on.
func (g *gatewayRun) brokenOrder(ctx context.Context) (first, again *lockwirev1.Command, err error) {
	var epoch uint64
	p, w, err := g.commandable(ctx, func(h *lockwirev1.Hello) { epoch = h.BootEpoch })
	if err != nil {
		return nil, nil, err
	}
	defer p.cut()
	if first, err = g.ordered(ctx, p); err != nil {
		return nil, nil, err
	}
	p.cut()
	next, second, err := g.commandable(ctx, func(h *lockwirev1.Hello) { h.BootEpoch, h.ResumeSession = epoch, w.GetSession() })
	if err != nil {
		return first, nil, err
	}
	defer next.close()
	if !second.GetResumed() || !bytes.Equal(second.GetSession(), w.GetSession()) {
		return first, nil, errors.New("a session that broke does not go on")
	}
	if again, err = await[*lockwirev1.Command](next, 5*time.Second); err != nil {
		return first, nil, err
	}
	done := &lockwirev1.CommandResult{CommandId: again.GetCommandId(), Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE}
	return first, again, errors.Join(next.send(done), next.alive())
}

// takesKeysAway: a card that goes is sent in Revocations, in one frame, at once. There is one card to take.
func takesKeysAway(ctx context.Context, g *gatewayRun) error {
	if g.taken == nil {
		err := g.takeKeys(ctx)
		if busy := (*notNow)(nil); errors.As(err, &busy) {
			return err
		}
		g.taken = &err
	}
	return *g.taken
}

func (g *gatewayRun) takeKeys(ctx context.Context) error {
	p, b, err := g.bundled(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if g.cfg.Operator == nil {
		return operator
	}
	hash := contentHash(b.content.GetDoor(), b.content.GetEntries())
	if err := errors.Join(p.send(&lockwirev1.BundleAck{Version: b.GetVersion(), Applied: true, Hash: hash}), p.alive()); err != nil {
		return err
	}
	if err := operated(g.cfg.Operator.TakeCard(ctx)); err != nil {
		return err
	}
	m, err := await[*lockwirev1.Revocations](p, p.patience) // wire would say if it came in parts and was too large for one
	if err != nil {
		return err
	}
	if err := g.signed("cardea-revocations/1\x00", m.GetSigned(), m.GetSignature(), m.GetSignerChain()); err != nil {
		return err
	}
	c := new(lockwirev1.RevocationsContent)
	if err := proto.Unmarshal(m.GetSigned(), c); err != nil {
		return err
	}
	if c.GetDeviceId() != g.name || c.GetVersion() != m.GetVersion() || c.GetVersion() <= b.GetVersion() || !c.GetAll() && len(c.GetRemoved()) == 0 {
		return fmt.Errorf("after version %d of %s come %v", b.GetVersion(), g.name, c)
	}
	for _, gone := range c.GetRemoved() {
		held := func(e []byte) bool { return bytes.Equal(sum(e)[:16], gone) }
		if !slices.ContainsFunc(b.content.GetEntries(), held) {
			return fmt.Errorf("%x is taken away, which the lock does not hold", gone)
		}
	}
	return nil
}

// revokedDevice: from then on it is refused. It takes a device that no other rule needs.
func revokedDevice(ctx context.Context, g *gatewayRun) error {
	switch {
	case g.cfg.Operator == nil:
		return operator
	case len(g.devices) < 2:
		return skip("a device would be revoked for ever, and there is one claim code only")
	}
	p, _, err := g.session(ctx, g.hello())
	if err != nil {
		return err
	}
	defer p.close()
	if err := operated(g.cfg.Operator.Revoke(ctx, g.name)); err != nil {
		return err
	}
	g.devices = slices.DeleteFunc(g.devices, func(d *device) bool { return d == g.device })
	for ctx.Err() == nil {
		late, _, err := g.session(ctx, g.hello())
		var said *wire.ProtocolError
		if errors.As(err, &said) && said.Code == lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED {
			return p.ends()
		}
		if err != nil {
			return err
		}
		late.close()
		pause(ctx, time.Second)
	}
	return errors.New("a device that was revoked opens sessions on and on")
}
