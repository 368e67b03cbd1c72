package locksim

import (
	"fmt"
	"strings"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// Wiegand26 is the H10301 card of a facility (0 to 255) and a number (0 to 65,535), with its parity bits.
func Wiegand26(facility uint8, number uint16) *lockwirev1.Card {
	length, packed, _ := credential.Wiegand(credential.FormatWiegand26, uint32(facility), uint32(number)) // every value fits
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, BitLength: length, Bits: packed}
}

// Wiegand34 is the card of a facility and a number (each 0 to 65,535), with its parity bits.
func Wiegand34(facility, number uint16) *lockwirev1.Card {
	length, packed, _ := credential.Wiegand(credential.FormatWiegand34, uint32(facility), uint32(number)) // every value fits
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34, BitLength: length, Bits: packed}
}

// Wiegand37 is the H10304 card of a facility (0 to 65,535) and a number (0 to 524,287), with its parity bits.
func Wiegand37(facility uint16, number uint32) (*lockwirev1.Card, error) {
	length, packed, err := credential.Wiegand(credential.FormatWiegand37, uint32(facility), number)
	if err != nil {
		return nil, err
	}
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37, BitLength: length, Bits: packed}, nil
}

// UID is a card that a reader knows by its chip's serial number, 4 to 10 bytes.
func UID(serial []byte) (*lockwirev1.Card, error) {
	if err := credential.Check(credential.FormatUID, uint32(8*len(serial)), serial); err != nil {
		return nil, err
	}
	return &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(serial)), Bits: serial}, nil
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
