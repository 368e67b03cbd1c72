package locksim

import (
	"fmt"
	"math/bits"
	"strings"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// Wiegand26 is the card of a facility (0 to 255) and a number (0 to 65,535), with its parity bits.
func Wiegand26(facility uint8, number uint16) *lockwirev1.Card {
	data := uint32(facility)<<16 | uint32(number)
	high, low := data>>12, data&0xfff
	even := uint32(bits.OnesCount32(high) & 1)
	odd := uint32(bits.OnesCount32(low)&1) ^ 1
	word := even<<25 | data<<1 | odd
	return &lockwirev1.Card{
		Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, BitLength: 26,
		Bits: []byte{byte(word >> 18), byte(word >> 10), byte(word >> 2), byte(word << 6)},
	}
}

// ParseBits makes a card of a string of 0 and 1; 26, 34 and 37 bits are Wiegand, whole bytes are a UID.
func ParseBits(text string) (*lockwirev1.Card, error) {
	card := &lockwirev1.Card{BitLength: uint32(len(text)), Bits: make([]byte, (len(text)+7)/8)}
	for i, c := range text {
		switch c {
		case '1':
			card.Bits[i/8] |= 0x80 >> (i % 8)
		case '0':
		default:
			return nil, fmt.Errorf("card bits: %q is neither 0 nor 1", c)
		}
	}
	switch n := len(text); {
	case n == 26:
		card.Format = lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26
	case n == 34:
		card.Format = lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34
	case n == 37:
		card.Format = lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37
	case n >= 32 && n <= 80 && n%8 == 0:
		card.Format = lockwirev1.CardFormat_CARD_FORMAT_UID
	default:
		return nil, fmt.Errorf("card bits: %d bits are no known format", n)
	}
	return card, nil
}

// Bits writes a card's bits as 0 and 1.
func Bits(card *lockwirev1.Card) string {
	var out strings.Builder
	for i := range int(card.GetBitLength()) {
		if card.GetBits()[i/8]&(0x80>>(i%8)) != 0 {
			out.WriteByte('1')
		} else {
			out.WriteByte('0')
		}
	}
	return out.String()
}
