package story

import (
	"crypto/rand"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
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
