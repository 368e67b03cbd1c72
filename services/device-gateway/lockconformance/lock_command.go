package lockconformance

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// command is a command of now, with a new id.
func command(action func(*lockwirev1.Command)) *lockwirev1.Command {
	m := &lockwirev1.Command{
		CommandId: "command_" + strconv.FormatInt(time.Now().UnixNano(), 36), ServerTimeMs: nowMS(), NotAfterMs: nowMS() + 10_000,
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
		if err := b.quiet(); err != nil {
			return err
		}
		if n := b.count(m.GetCommandId()); n != 1 {
			return fmt.Errorf("%d events of one command", n)
		}
		return nil
	})(ctx, l)
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
		for b.count(m.GetCommandId()) == 0 {
			if err := b.until(b.p.patience, func(any) (bool, error) { return true, nil }); err != nil {
				return fmt.Errorf("no event of the command: %w", err)
			}
		}
		for _, e := range b.events {
			if e.GetCommandId() == m.GetCommandId() && (e.GetKind() != lockwirev1.EventKind_EVENT_KIND_COMMAND || e.GetCommandOutcome() != r.GetOutcome()) {
				return fmt.Errorf("the event is %s with %s", e.GetKind(), e.GetCommandOutcome())
			}
		}
		return nil
	})(ctx, l)
}

// lockdown: while it holds a grant opens nothing, also after a boot of the line; then it is lifted.
func lockdown(ctx context.Context, l *lockRun) error {
	set := func(active bool) error {
		return commanded("command.lockdown", func(_ context.Context, _ *lockRun, b *inbox) error {
			r, err := order(b, command(func(m *lockwirev1.Command) {
				m.Action = &lockwirev1.Command_Lockdown{Lockdown: &lockwirev1.Lockdown{Active: active}}
			}))
			return expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE)
		})(ctx, l)
	}
	if err := set(true); err != nil {
		return err
	}
	_, e, err := swiped(ctx, l, func(p *peer, r *lockwirev1.AccessRequest) error { return p.send(grant(r)) })
	if lifted := set(false); lifted != nil {
		return lifted
	}
	if err == nil && e.GetOutcome() == granted {
		return errors.New("it opens during a lockdown")
	}
	return err
}

// firmware: an image in two pieces, one out of place, and one with another hash.
func firmware(ctx context.Context, l *lockRun) error {
	return commanded("command.firmware", func(_ context.Context, _ *lockRun, b *inbox) error {
		image := []byte(strconv.FormatInt(time.Now().UnixNano(), 10))
		size, half := uint32(len(image)), uint32(len(image)/2)
		piece := func(hash []byte, offset, end uint32) (*lockwirev1.CommandResult, error) {
			return order(b, command(func(m *lockwirev1.Command) {
				m.Action = &lockwirev1.Command_Firmware{Firmware: &lockwirev1.FirmwareChunk{
					Sha256: hash, Version: "conformance", Size: size, Offset: offset, Data: image[offset:end],
				}}
			}))
		}
		for _, step := range []struct{ offset, end, needs uint32 }{{0, 0, 0}, {0, half, half}, {0, half, half}, {half + 1, size, half}} {
			r, err := piece(sum(image), step.offset, step.end)
			if err := expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE); err != nil {
				return err
			}
			if r.GetFirmwareOffset() != step.needs {
				return fmt.Errorf("after %d..%d it needs %d, not %d", step.offset, step.end, r.GetFirmwareOffset(), step.needs)
			}
		}
		// Another image, whose bytes are not what its hash says; it cannot be told from a wrong maker's signature, and neither boots.
		r, err := piece(sum([]byte("another")), 0, size)
		if err := expect(r, err, lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED); err != nil {
			return err
		}
		if r.GetFirmwareOffset() != 0 {
			return fmt.Errorf("an image that was thrown away is needed from %d", r.GetFirmwareOffset())
		}
		return nil
	})(ctx, l)
}

// lockRenews: asked by Welcome, the lock asks for a certificate, and opens a session with it.
func lockRenews(ctx context.Context, l *lockRun) error {
	p, err := l.greeted(ctx)
	if err != nil {
		return err
	}
	if err := l.can("certificate"); err != nil {
		p.send(welcome())
		p.bye()
		return err
	}
	w := welcome()
	w.Capabilities, w.RenewCertificate = []string{"certificate"}, true
	if err := p.send(w); err != nil {
		return err
	}
	b := newInbox(p, true)
	var request *lockwirev1.CertificateRequest
	if err := b.until(b.p.patience, func(m any) (bool, error) {
		r, ok := m.(*lockwirev1.CertificateRequest)
		request = r
		return ok, nil
	}); err != nil {
		return fmt.Errorf("no CertificateRequest: %w", err)
	}
	csr, err := x509.ParseCertificateRequest(request.GetCertificateRequest())
	if err != nil {
		return err
	}
	der, err := l.root.SignDevice(csr, deviceID, "organization_conformance", 24*time.Hour)
	if err != nil {
		return err
	}
	answer := &lockwirev1.Certificate{RequestId: request.GetRequestId(), CertificateChain: [][]byte{der}, Roots: [][]byte{l.root.Certificate().Raw}}
	if err := p.send(answer); err != nil {
		return err
	}
	if err := p.ends(); err != nil {
		return fmt.Errorf("with a new certificate %w", err)
	}
	p.cut()
	next, err := l.session(ctx, func(*lockwirev1.Welcome) {})
	if err != nil {
		return err
	}
	defer next.bye()
	if shown := next.conn.ConnectionState().PeerCertificates[0].Raw; !slices.Equal(shown, der) {
		return errors.New("the next session is opened with the old key")
	}
	return nil
}
