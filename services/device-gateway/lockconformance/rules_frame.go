package lockconformance

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	malformed   = lockwirev1.ErrorCode_ERROR_CODE_MALFORMED
	unexpected  = lockwirev1.ErrorCode_ERROR_CODE_UNEXPECTED
	unknownType = lockwirev1.ErrorCode_ERROR_CODE_UNKNOWN_TYPE
	badVersion  = lockwirev1.ErrorCode_ERROR_CODE_UNSUPPORTED_VERSION
)

// both is a rule about frames, the same for both sides: bytes that get an Error.
func both(rule_ string, want lockwirev1.ErrorCode, frames ...[]byte) rule {
	var gateways []check[*gatewayRun]
	var locks []check[*lockRun]
	for _, b := range frames {
		gateways = append(gateways, refuses(want, func(_ *gatewayRun, p *peer) error { return p.raw(b) }))
		locks = append(locks, lockRefuses(want, func(p *peer) error { return p.raw(b) }))
	}
	return rule{name: rule_, gateway: all(gateways...), lock: all(locks...)}
}

// bothTake is a rule that both sides keep by going on.
func bothTake(rule_ string, do func(p *peer) error) rule {
	return rule{
		name: rule_, gateway: in(func(_ context.Context, _ *gatewayRun, p *peer) error { return do(p) }),
		lock: inLock(func(_ context.Context, _ *lockRun, p *peer) error { return do(p) }),
	}
}

func frameRules() []rule {
	misplaced := rule{
		name:    "R-FRAME-5",
		gateway: refuses(unexpected, func(_ *gatewayRun, p *peer) error { return p.frame(131, []byte{0xff, 0xff}) }),
		lock:    lockRefuses(unexpected, func(p *peer) error { return p.frame(130, []byte{0xff, 0xff}) }),
	}
	broken := rule{
		name: "R-FRAME-6",
		gateway: all(
			refuses(malformed, func(_ *gatewayRun, p *peer) error { return p.frame(132, []byte{0xff, 0xff}) }),
			refuses(malformed, func(_ *gatewayRun, p *peer) error {
				return p.unchecked(&lockwirev1.CommandResult{CommandId: string(make([]byte, 65))})
			})),
		lock: all(
			lockRefuses(malformed, func(p *peer) error { return p.frame(133, []byte{0xff, 0xff}) }),
			lockRefuses(malformed, func(p *peer) error { return p.unchecked(&lockwirev1.Command{}) })),
	}
	closes := both("R-FRAME-7", malformed, []byte{0, 0, 0, 0})
	return []rule{
		both("R-FRAME-1", malformed, []byte{0, 0, 0, 1}, []byte{0, 1, 0, 1}, []byte{0xff, 0xff, 0xff, 0xff}),
		both("R-FRAME-2", badVersion, []byte{0, 0, 0, 2, 0, 1}, []byte{0, 0, 0, 2, 2, 255}),
		both("R-FRAME-3", unknownType, []byte{0, 0, 0, 2, 1, 0}, []byte{0, 0, 0, 2, 1, 255}),
		bothTake("R-FRAME-4", func(p *peer) error {
			if err := p.frame(127, []byte("what is this")); err != nil {
				return err
			}
			return p.alive()
		}),
		misplaced, broken, closes,
		bothTake("R-FRAME-8", func(p *peer) error {
			// nonce last, a field 110 that nobody knows and nonce as bytes before it.
			if err := p.frame(1, []byte{0x0a, 0x01, 'x', 0xf2, 0x06, 0x01, 'y', 0x08, 0x05, 0x08, 0x07}); err != nil {
				return err
			}
			return pongs(p, 7)
		}),
		bothTake("R-PART-1", func(p *peer) error {
			if err := p.send(pieces(1, 1, 2)[0], pieces(1, 1, 2)[1]); err != nil {
				return err
			}
			return pongs(p, 300)
		}),
		bothTake("R-PART-2", func(p *peer) error {
			parts := pieces(1, 1, 2)
			if err := p.send(parts[0], &lockwirev1.Ping{Nonce: 9}); err != nil {
				return err
			}
			if err := pongs(p, 9); err != nil {
				return fmt.Errorf("a Ping between parts: %w", err)
			}
			if err := p.send(parts[1]); err != nil {
				return err
			}
			return pongs(p, 300)
		}),
		partsOutOfLine(), partsTooLarge(), partsTooEarly(),
	}
}

// pongs waits for a Pong with a nonce.
func pongs(p *peer, nonce uint64) error {
	pong, err := await[*lockwirev1.Pong](p, p.patience)
	if err == nil && pong.GetNonce() != nonce {
		return fmt.Errorf("Pong %d for Ping %d", pong.GetNonce(), nonce)
	}
	return err
}

// pieces are parts of a Ping with nonce 300: three bytes.
func pieces(id uint64, kind uint32, n int) []*lockwirev1.Part {
	body := []byte{0x08, 0xac, 0x02}
	hash := sha256.Sum256(body)
	parts := make([]*lockwirev1.Part, n)
	for i := range parts {
		parts[i] = &lockwirev1.Part{
			MessageId: id, Type: kind, Part: uint32(i), Parts: uint32(n), Body: body[i*len(body)/n : (i+1)*len(body)/n], Sha256: hash[:],
		}
	}
	return parts
}

func partsOutOfLine() rule {
	spoils := map[string]func(p []*lockwirev1.Part) []*lockwirev1.Part{
		"swapped": func(p []*lockwirev1.Part) []*lockwirev1.Part { return []*lockwirev1.Part{p[1], p[0]} },
		"another hash": func(p []*lockwirev1.Part) []*lockwirev1.Part {
			for _, one := range p {
				one.Sha256 = make([]byte, 32)
			}
			return p
		},
		"parts inside parts": func(p []*lockwirev1.Part) []*lockwirev1.Part {
			for _, one := range p {
				one.Type = 140
			}
			return p
		},
	}
	send := func(p *peer, spoil func([]*lockwirev1.Part) []*lockwirev1.Part) error {
		for _, one := range spoil(pieces(1, 1, 2)) {
			if err := p.unchecked(one); err != nil && !broke(err) {
				return err
			}
		}
		return nil
	}
	var gateways []check[*gatewayRun]
	var locks []check[*lockRun]
	for _, spoil := range spoils {
		gateways = append(gateways, refuses(malformed, func(_ *gatewayRun, p *peer) error { return send(p, spoil) }))
		locks = append(locks, lockRefuses(malformed, func(p *peer) error { return send(p, spoil) }))
	}
	return rule{name: "R-PART-3", gateway: all(gateways...), lock: all(locks...)}
}

func partsTooLarge() rule {
	return rule{
		name: "R-PART-4",
		gateway: refuses(malformed, func(_ *gatewayRun, p *peer) error {
			for i := range uint32(9) { // 585,000 bytes
				part := &lockwirev1.Part{MessageId: 1, Type: 134, Part: i, Parts: 20, Body: make([]byte, 65_000), Sha256: make([]byte, 32)}
				if err := p.send(part); err != nil {
					if broke(err) {
						return nil
					}
					return err
				}
			}
			return nil
		}),
		lockNote: "it would take a bundle of more than 5 MiB, and a lock may have less memory",
	}
}

func partsTooEarly() rule {
	return rule{
		name: "R-PART-5",
		gateway: all(
			first(unexpected, func(_ *gatewayRun, p *peer) error { return p.send(pieces(1, 1, 2)[0]) }),
			func(ctx context.Context, g *gatewayRun) error {
				p, err := g.dialEnrol(ctx)
				if err != nil {
					return err
				}
				defer p.close()
				if err := p.send(pieces(1, 1, 2)[0]); err != nil {
					return err
				}
				return p.refused(unexpected)
			}),
		lockNote: "a lock reads on only after Welcome",
	}
}

func enrolRules() []rule {
	return []rule{
		{name: "R-ENROLL-1", lock: func(_ context.Context, l *lockRun) error { return l.pinned }},
		{name: "R-ENROLL-2", lock: func(_ context.Context, l *lockRun) error { return l.enrolled }},
		{name: "R-ENROLL-3", gateway: func(_ context.Context, g *gatewayRun) error { return g.enrolment }},
		{name: "R-ENROLL-4", gateway: func(_ context.Context, g *gatewayRun) error { return g.enrolment }},
		{name: "R-ENROLL-5", gateway: oneAnswerForCodes},
		{name: "R-ENROLL-6", gateway: enrolmentLimits},
		{name: "R-ENROLL-7", gateway: func(ctx context.Context, g *gatewayRun) error {
			return enrolling(ctx, g, unexpected, func(p *peer) error { return p.send(&lockwirev1.Ping{}) })
		}},
	}
}

// enrolling: what is sent on cardea-enroll/1 gets an Error, and the end.
func enrolling(ctx context.Context, g *gatewayRun, want lockwirev1.ErrorCode, send func(p *peer) error) error {
	p, err := g.dialEnrol(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if err := send(p); err != nil {
		return err
	}
	return p.refused(want)
}

func oneAnswerForCodes(ctx context.Context, g *gatewayRun) error {
	csr, err := certificateRequest(g.key)
	if err != nil {
		return err
	}
	var texts []string
	for _, secret := range []string{g.secret, g.secret[:len(g.secret)-1] + "_", "x"} {
		p, err := g.dialEnrol(ctx)
		if err != nil {
			return err
		}
		defer p.close()
		if err := p.send(&lockwirev1.EnrollRequest{ClaimSecret: secret, CertificateRequest: csr}); err != nil {
			return err
		}
		m, err := p.next(p.patience)
		e, ok := m.(*lockwirev1.Error)
		if err != nil || !ok || e.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_CLAIM_REFUSED {
			return fmt.Errorf("a code that was used, and one that never was, are answered %v (%v)", m, err)
		}
		texts = append(texts, e.GetText())
	}
	if texts[0] != texts[1] || texts[1] != texts[2] {
		return fmt.Errorf("the answers differ: %q", texts)
	}
	return nil
}

func enrolmentLimits(ctx context.Context, g *gatewayRun) error {
	if err := enrolling(ctx, g, malformed, func(p *peer) error { return p.raw([]byte{0, 0, 0x20, 0x01}) }); err != nil {
		return err
	}
	if !g.cfg.Slow {
		return nil
	}
	p, err := g.dialEnrol(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	m, err := p.next(10*time.Second + p.patience)
	if e, ok := m.(*lockwirev1.Error); err != nil || !ok || e.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT {
		return errors.New("10 s without an EnrollRequest were not TIMED_OUT")
	}
	return nil
}
