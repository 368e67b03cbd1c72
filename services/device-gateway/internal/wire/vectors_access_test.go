package wire

import (
	"bytes"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// The cards of the vectors, in every format.
func wiegand26() *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, BitLength: 26, Bits: []byte{0x88, 0x89, 0x33, 0xc0}}
}

func wiegand34() *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34, BitLength: 34, Bits: []byte{0x80, 0x00, 0x00, 0x01, 0x40}}
}

func wiegand37() *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37, BitLength: 37, Bits: []byte{0xff, 0xff, 0xff, 0xff, 0x08}}
}

func uid7() *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: 56, Bits: []byte{0x04, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6}}
}

func pkoc() *lockwirev1.Card {
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_PKOC, BitLength: 520, Bits: mobileKey().point()}
}

func nonce() []byte { return bytes.Repeat([]byte{0x5a}, 16) }

// asked is an access request of the vectors' moment.
func asked(id uint64, change func(*lockwirev1.AccessRequest)) *lockwirev1.AccessRequest {
	m := &lockwirev1.AccessRequest{
		RequestId: id, EventSequence: id + 1, Direction: lockwirev1.Direction_DIRECTION_IN, LockTimeMs: vectorNow + 5000, ClockQuality: synchronized,
	}
	change(m)
	return m
}

func accessVectors() []vector {
	type access = lockwirev1.AccessRequest
	const mobile, card = lockwirev1.ProofScheme_PROOF_SCHEME_MOBILE, lockwirev1.ProofScheme_PROOF_SCHEME_PKOC
	return []vector{
		{"access-wiegand26", "AccessRequest: a 26-bit card, facility 17, number 4711", true, asked(1, func(m *access) {
			m.Card, m.Traceparent = wiegand26(), traceparent
		})},
		{"access-wiegand34", "AccessRequest: a 34-bit card on the second reader, going out", false, asked(2, func(m *access) {
			m.Card, m.Reader, m.Direction = wiegand34(), 1, lockwirev1.Direction_DIRECTION_OUT
		})},
		{"access-wiegand37", "AccessRequest: a 37-bit card, at a lock without a clock", false, asked(3, func(m *access) {
			m.Card, m.LockTimeMs, m.ClockQuality = wiegand37(), 0, unset
		})},
		{"access-uid", "AccessRequest: a chip's serial number of 7 bytes", false, asked(4, func(m *access) { m.Card = uid7() })},
		{"access-card-and-pin", "AccessRequest: a card and a PIN", false, asked(5, func(m *access) { m.Card, m.Pin = wiegand26(), "0042" })},
		{"access-entry-code", "AccessRequest: an entry code, no card", true, asked(6, func(m *access) { m.Pin = "471100" })},
		{"access-pkoc", "AccessRequest: a PKOC card that signed the nonce", false, asked(7, func(m *access) {
			m.Card, m.Proof = pkoc(), mobileKey().proof(card, nonce())
		})},
		{"access-mobile", "AccessRequest: a mobile key that signed device and nonce", true, asked(8, func(m *access) {
			m.Card, m.Proof = pkoc(), mobileKey().proof(mobile, nonce())
		})},
		{"access-pkoc-unproven", "AccessRequest: a public key without a proof; opens nothing", false, asked(9, func(m *access) { m.Card = pkoc() })},
		{"decision-granted", "AccessDecision: granted", true, &lockwirev1.AccessDecision{
			RequestId: 1, Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Reason: 1, UnlockMs: 5000,
			Feedback: lockwirev1.Feedback_FEEDBACK_GRANTED, ValidForMs: 2000, Receipt: []byte{0x01, 0x02, 0x03},
		}},
		{"decision-denied", "AccessDecision: denied, outside of the schedule", false, &lockwirev1.AccessDecision{
			RequestId: 2, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, Reason: 3, Feedback: lockwirev1.Feedback_FEEDBACK_WRONG_TIME,
			ValidForMs: 2000, Receipt: []byte{0x04},
		}},
		{"decision-type-pin", "AccessDecision: denied as yet, type the PIN", false, &lockwirev1.AccessDecision{
			RequestId: 3, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, Reason: 17, Feedback: lockwirev1.Feedback_FEEDBACK_TYPE_PIN, ValidForMs: 1500,
		}},
		{"decision-second-person", "AccessDecision: denied as yet, a second person has to present", false, &lockwirev1.AccessDecision{
			RequestId: 4, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, Reason: 19, Feedback: lockwirev1.Feedback_FEEDBACK_SECOND_PERSON, ValidForMs: 2000,
		}},
		{"decision-unknown-card", "AccessDecision: denied, nobody knows the card", false, &lockwirev1.AccessDecision{
			RequestId: 5, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, Reason: 6, Feedback: lockwirev1.Feedback_FEEDBACK_DENIED, ValidForMs: 2000,
		}},
		{"decision-unknown-outcome", "AccessDecision: an outcome and feedback of a later version; a denial", false, &lockwirev1.AccessDecision{
			RequestId: 6, Outcome: 9, Feedback: 77, UnlockMs: 5000, ValidForMs: 2000,
		}},
	}
}

// claimSecret is the secret part of the vectors' claim code.
const claimSecret = "euc-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
