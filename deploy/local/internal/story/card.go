package story

import (
	"crypto/rand"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// card is a contactless card that shows its chip's 7-byte serial number.
type card struct{ bits []byte }

func newCard() card {
	bits := make([]byte, 7)
	rand.Read(bits) // never fails
	return card{bits}
}

// number is the card as identity takes it.
func (c card) number() *identityv1.CardNumber {
	return &identityv1.CardNumber{Format: "uid", BitLength: uint32(8 * len(c.bits)), Bits: c.bits}
}

// presented is the card at a reader.
func (c card) presented() locksim.Presented {
	return locksim.Presented{Direction: lockwirev1.Direction_DIRECTION_IN, Card: &lockwirev1.Card{
		Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(c.bits)), Bits: c.bits,
	}}
}
