package lockconformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// secondKey: a digest is of one kind and under one key; of a card both kinds are looked for, under every key.
func secondKey(s *solitude) error {
	door, other := plainDoor(), make([]byte, 32)
	other[0] = 7
	door.Keys = append(door.Keys, &lockwirev1.BundleKey{Id: "other", Key: other})
	for _, kind := range []string{"card", "mobile"} {
		e := s.known(&theRight{GrantId: "grant_1"})
		e.Digests = []*lockwirev1.BundleDigest{{KeyId: "other", Digest: digestOf(other, kind, s.l.card)}}
		event, err := s.ask(door, e)
		if err == nil {
			err = wants(event, granted, byGrant)
		}
		if err != nil {
			return fmt.Errorf("a digest of kind %s under the second key: %w", kind, err)
		}
	}
	return nil
}

// atPINDoor gives the lock a door that asks for a PIN, and an entry of a new person with the PIN 2580.
func (s *solitude) atPINDoor() (Keypad, error) {
	keypad, err := s.l.keypad()
	if err != nil {
		return nil, err
	}
	door, e := plainDoor(), s.known(&theRight{GrantId: "grant_1"})
	door.Rules = &theRules{SecondFactor: true}
	e.PersonId = somebody()
	bits := []byte(e.GetPersonId() + "\x002580")
	e.Pins = []*lockwirev1.BundleDigest{{KeyId: "k", Digest: digest(make([]byte, 32), "pin", "pin", uint32(8*len(bits)), bits)}}
	_, err = s.s.give(s.s.content(door, e), nil, none)
	return keypad, err
}

// types types digits with the card, and wants a reason.
func (s *solitude) types(k Keypad, digits string, reason uint32) error {
	r, e, err := s.decides(func(ctx context.Context) error { return k.Type(ctx, digits, true) })
	if err != nil {
		return err
	}
	if r.GetPin() != digits || r.GetCard() == nil {
		return fmt.Errorf("it asks with %q and %v", r.GetPin(), r.GetCard())
	}
	if err := wants(e, outcomeOf(reason), reason); err != nil {
		return fmt.Errorf("PIN %s: %w", digits, err)
	}
	return nil
}

// pins: the right one opens and forgets the wrong ones; after five wrong ones none is right.
func pins(s *solitude) error {
	k, err := s.atPINDoor()
	if err != nil {
		return err
	}
	typed := []string{"1111", "1111", "1111", "1111", "2580", "1111", "1111", "1111", "1111", "1111"}
	for _, digits := range typed {
		reason := uint32(factorWrong)
		if digits == "2580" {
			reason = byGrant
		}
		if err := s.types(k, digits, reason); err != nil {
			return err
		}
	}
	if err := s.types(k, "2580", factorWrong); err != nil {
		return fmt.Errorf("after five wrong ones: %w", err)
	}
	return nil
}

func wrongPIN(s *solitude) error {
	k, err := s.atPINDoor()
	if err != nil {
		return operatedOr(err, nil) // the rest of the rule was looked at
	}
	return errors.Join(s.types(k, "1111", factorWrong), s.types(k, "2580", byGrant))
}

// entryCode: digits without a card are asked for as they are, and by the bundle are a credential of their own.
func entryCode(ctx context.Context, l *lockRun) error {
	k, err := l.keypad()
	if err != nil {
		return err
	}
	const code = "471100"
	typed := func(ctx context.Context) error { return k.Type(ctx, code, false) }
	if err := inLock(func(ctx context.Context, l *lockRun, p *peer) error {
		r, err := newInbox(p, true).asked(ctx, typed)
		if err == nil && (r.GetPin() != code || r.GetCard() != nil || r.GetProof() != nil) {
			return fmt.Errorf("it asks with %v", r)
		}
		if err != nil {
			return err
		}
		return p.send(denial(r))
	})(ctx, l); err != nil || l.can("bundle") != nil {
		return err
	}
	return alone(func(s *solitude) error {
		e := s.known(&theRight{GrantId: "grant_1"})
		e.Digests[0].Digest = digest(make([]byte, 32), "entry_code", "pin", 8*uint32(len(code)), []byte(code))
		if _, err := s.s.give(s.s.content(plainDoor(), e), nil, none); err != nil {
			return err
		}
		_, event, err := s.decides(typed)
		if err != nil {
			return err
		}
		return wants(event, granted, byGrant)
	})(ctx, l)
}

// provenKey: each presentation of a key has a nonce of its own and an answer that verifies.
func provenKey(ctx context.Context, l *lockRun) error {
	phone, ok := l.cfg.Operator.(Phone)
	if !ok {
		return skip("it takes a phone, or a card with a key")
	}
	return inLock(func(ctx context.Context, l *lockRun, p *peer) error {
		b := newInbox(p, true)
		seen := map[string]bool{}
		for range 3 {
			r, err := b.asked(ctx, phone.PresentKey)
			if err != nil {
				return err
			}
			if err := p.send(denial(r)); err != nil {
				return err
			}
			if err := verifies(r); err != nil {
				return err
			}
			if seen[string(r.GetProof().GetNonce())] {
				return errors.New("a nonce comes twice")
			}
			seen[string(r.GetProof().GetNonce())] = true
		}
		return nil
	})(ctx, l)
}

func verifies(r *lockwirev1.AccessRequest) error {
	proof := r.GetProof() // its sizes were checked when it was read
	if proof == nil || r.GetCard().GetFormat() != lockwirev1.CardFormat_CARD_FORMAT_PKOC {
		return fmt.Errorf("it asks with %v", r)
	}
	message := proof.GetNonce()
	if proof.GetScheme() == lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE {
		message = append([]byte("cardea-mobile-key/1\x00"+deviceID+"\x00"), message...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), r.GetCard().GetBits())
	if err != nil {
		return err
	}
	hash := sha256.Sum256(message)
	half := len(proof.GetSignature()) / 2
	if !ecdsa.Verify(key, hash[:], new(big.Int).SetBytes(proof.GetSignature()[:half]), new(big.Int).SetBytes(proof.GetSignature()[half:])) {
		return fmt.Errorf("the answer of scheme %s does not verify", proof.GetScheme())
	}
	return nil
}
