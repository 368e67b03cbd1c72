package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	maxPIN      = 12
	minCardBits = 8
	maxCardBits = 1024
	minNonce    = 16
	maxNonce    = 64
	// proofSize is r and s of P-256.
	proofSize = 64
)

func checkAccessRequest(m *lockwirev1.AccessRequest) error {
	if m.GetRequestId() == 0 || m.GetEventSequence() == 0 || m.GetEventSequence() > maxCount {
		return malformed("request_id and event_sequence count from 1; event_sequence at most 2^62")
	}
	if err := within(
		limit{"traceparent", len(m.GetTraceparent()), 0, maxTraceparent},
		limit{"pin", len(m.GetPin()), 0, maxPIN}); err != nil {
		return err
	}
	for _, digit := range m.GetPin() {
		if digit < '0' || digit > '9' {
			return malformed("pin: digits only")
		}
	}
	if m.GetCard() == nil {
		return checkEntryCode(m)
	}
	if err := checkCard(m.GetCard()); err != nil {
		return err
	}
	return checkProof(m.GetCard().GetFormat(), m.GetProof())
}

// checkEntryCode: without a card the digits are what was presented.
func checkEntryCode(m *lockwirev1.AccessRequest) error {
	if m.GetPin() == "" {
		return malformed("card: missing, and no pin was typed either")
	}
	if m.GetProof() != nil {
		return malformed("proof: there is no card whose key it could prove")
	}
	return nil
}

func checkCard(card *lockwirev1.Card) error {
	if card.GetFormat() == lockwirev1.CardFormat_CARD_FORMAT_UNSPECIFIED {
		return malformed("card.format: not stated")
	}
	bits := int(card.GetBitLength())
	if err := within(limit{"card.bit_length", bits, minCardBits, maxCardBits}); err != nil {
		return err
	}
	if len(card.GetBits()) != (bits+7)/8 {
		return malformed("card.bits: %d bytes do not hold %d bits", len(card.GetBits()), bits)
	}
	if unused := (8 - bits%8) % 8; card.GetBits()[len(card.GetBits())-1]&(1<<unused-1) != 0 {
		return malformed("card.bits: unused bits of the last byte are not zero")
	}
	return nil
}

// checkProof looks at the proof's shape. A missing one is no fault of the message: the credential counts as unknown.
func checkProof(format lockwirev1.CardFormat, proof *lockwirev1.KeyProof) error {
	switch {
	case proof == nil:
		return nil
	case format != lockwirev1.CardFormat_CARD_FORMAT_PKOC:
		return malformed("proof: only a card of CARD_FORMAT_PKOC has a key")
	case proof.GetScheme() == lockwirev1.ProofScheme_PROOF_SCHEME_UNSPECIFIED:
		return malformed("proof.scheme: not stated")
	}
	return within(
		limit{"proof.nonce", len(proof.GetNonce()), minNonce, maxNonce},
		limit{"proof.signature", len(proof.GetSignature()), proofSize, proofSize})
}

func checkDecision(m *lockwirev1.AccessDecision) error {
	least := 0
	if m.GetOutcome() == lockwirev1.Outcome_OUTCOME_GRANTED {
		least = MinUnlock
	}
	return within(
		limit{"unlock_ms", int(m.GetUnlockMs()), least, MaxUnlock},
		limit{"valid_for_ms", int(m.GetValidForMs()), 0, MaxValidFor},
		limit{"receipt", len(m.GetReceipt()), 0, maxReceipt})
}
