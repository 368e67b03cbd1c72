package lockconformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

func accessRules() []rule {
	spoiled := func(change func(*lockwirev1.AccessRequest)) check[*gatewayRun] {
		return refuses(malformed, func(g *gatewayRun, p *peer) error {
			m := g.swipe(1, 1)
			change(m)
			return p.unchecked(m)
		})
	}
	type request = lockwirev1.AccessRequest
	return []rule{
		{name: "R-ACCESS-1", lock: reservesItsEvent},
		{name: "R-ACCESS-2", gateway: all(
			spoiled(func(m *request) { m.Card.Bits = m.Card.Bits[1:] }),
			spoiled(func(m *request) { m.Card.BitLength, m.Card.Bits = 9, []byte{0, 0x40} }),
			spoiled(func(m *request) { m.Card.Format = 0 })), lock: wellFormedCard},
		{name: "R-ACCESS-3", gateway: stranger, lock: lateDecision},
		{name: "R-ACCESS-4", gateway: opens, lock: lockOpens},
		{name: "R-ACCESS-5", gateway: stranger, lock: lockStaysClosed},
		{name: "R-ACCESS-6", lock: withoutAnswer},
		{name: "R-ACCESS-7", lock: lockOpens},
		{name: "R-PROOF-1", lock: provenKey},
		{name: "R-PROOF-2", gateway: unproven, lockNote: "it takes a key that answers wrongly"},
		{name: "R-PROOF-3", gateway: all(
			spoiled(func(m *request) { m.Proof = proof(1, 16, 64) }),
			spoiled(func(m *request) { m.Card, m.Proof = publicKey(), proof(0, 16, 64) }),
			spoiled(func(m *request) { m.Card, m.Proof = publicKey(), proof(1, 15, 64) }),
			spoiled(func(m *request) { m.Card, m.Proof = publicKey(), proof(1, 16, 65) })), lock: provenKey},
		{name: "R-PIN-1", gateway: denied(func(m *request) { m.Card, m.Pin = nil, "907318264550" }), lock: entryCode},
		{name: "R-PIN-2", gateway: all(
			spoiled(func(m *request) { m.Card = nil }),
			spoiled(func(m *request) { m.Pin = "12a4" }),
			spoiled(func(m *request) { m.Pin = "1234567890123" })), lock: wellFormedCard},
	}
}

func proof(scheme lockwirev1.ProofScheme, nonce, signature int) *lockwirev1.KeyProof {
	return &lockwirev1.KeyProof{Scheme: scheme, Nonce: make([]byte, nonce), Signature: make([]byte, signature)}
}

func publicKey() *lockwirev1.Card {
	card := &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_PKOC, BitLength: 520, Bits: make([]byte, 65)}
	if key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
		if point, err := key.PublicKey.Bytes(); err == nil {
			card.Bits = point
		}
	}
	return card
}

// decide asks once in a new session.
func decide(ctx context.Context, g *gatewayRun, change func(*lockwirev1.AccessRequest)) (*lockwirev1.AccessDecision, error) {
	p, _, err := g.session(ctx, g.hello())
	if err != nil {
		return nil, err
	}
	defer p.close()
	m := g.swipe(1, 2)
	change(m)
	if err := p.send(m); err != nil {
		return nil, err
	}
	d, err := await[*lockwirev1.AccessDecision](p, p.patience)
	if err != nil {
		return nil, err
	}
	if d.GetRequestId() != 1 {
		return nil, fmt.Errorf("the answer is for request %d", d.GetRequestId())
	}
	return d, nil
}

func denied(change func(*lockwirev1.AccessRequest)) check[*gatewayRun] {
	return func(ctx context.Context, g *gatewayRun) error {
		d, err := decide(ctx, g, change)
		if err != nil {
			return err
		}
		if d.GetOutcome() != lockwirev1.Outcome_OUTCOME_DENIED {
			return fmt.Errorf("it decides %s", d.GetOutcome())
		}
		return nil
	}
}

// stranger is R-ACCESS-3 and R-ACCESS-5: an unknown card is denied, in an answer that is within its limits.
func stranger(ctx context.Context, g *gatewayRun) error {
	return denied(func(*lockwirev1.AccessRequest) {})(ctx, g)
}

func unproven(ctx context.Context, g *gatewayRun) error {
	for _, p := range []*lockwirev1.KeyProof{nil, proof(1, 32, 64), proof(2, 32, 64), proof(99, 32, 64)} {
		d, err := decide(ctx, g, func(m *lockwirev1.AccessRequest) { m.Card, m.Proof = publicKey(), p })
		if err != nil {
			return err
		}
		if d.GetOutcome() == lockwirev1.Outcome_OUTCOME_GRANTED {
			return fmt.Errorf("a key with the proof %v opens", p)
		}
	}
	return nil
}

func opens(ctx context.Context, g *gatewayRun) error {
	if g.cfg.Card == nil {
		return skip("it takes a card that opens: -card")
	}
	d, err := decide(ctx, g, func(m *lockwirev1.AccessRequest) { m.Card = g.cfg.Card })
	if err != nil {
		return err
	}
	if d.GetOutcome() != lockwirev1.Outcome_OUTCOME_GRANTED || d.GetUnlockMs() < 500 || d.GetUnlockMs() > 60_000 {
		return fmt.Errorf("%s for %d ms, reason %d", d.GetOutcome(), d.GetUnlockMs(), d.GetReason())
	}
	return nil
}
