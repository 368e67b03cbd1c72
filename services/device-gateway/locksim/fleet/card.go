package fleet

import (
	"encoding/binary"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// cardNumber is the number of a fleet's card: 7 bytes, as of a contactless card.
func cardNumber(fleet uint16, i int) []byte {
	return binary.BigEndian.AppendUint32([]byte{0x04, byte(fleet >> 8), byte(fleet)}, uint32(i))
}

// unknownCard is a card that no fleet has: their numbers begin with 04.
func unknownCard(n uint64) *lockwirev1.Card {
	number := binary.BigEndian.AppendUint64(nil, n)[1:]
	number[0] = 0x88
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(number)), Bits: number}
}
