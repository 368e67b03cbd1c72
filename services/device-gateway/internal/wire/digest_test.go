package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// digestInput is what a digest key authenticates, from PROTOCOL.md alone: the vectors must not come from the code that they
// are to check.
func digestInput(kind, format string, bitLength uint32, bits []byte) []byte {
	part := func(b, p []byte) []byte { return append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...) }
	var b []byte
	for _, p := range []string{"credential/v1", kind, format} {
		b = part(b, []byte(p))
	}
	return part(binary.BigEndian.AppendUint32(b, bitLength), bits)
}

func digestOf(key, input []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(input)
	return mac.Sum(nil)
}

// formatName is a card format's name in a digest.
func formatName(f lockwirev1.CardFormat) string {
	switch f {
	case lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26:
		return "wiegand26"
	case lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34:
		return "wiegand34"
	case lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37:
		return "wiegand37"
	case lockwirev1.CardFormat_CARD_FORMAT_UID:
		return "uid"
	default:
		return "pkoc"
	}
}

func cardInput(kind string, card *lockwirev1.Card) []byte {
	return digestInput(kind, formatName(card.GetFormat()), card.GetBitLength(), card.GetBits())
}

func pinInput(person, digits string) []byte {
	bits := []byte(person + "\x00" + digits)
	return digestInput("pin", "pin", uint32(8*len(bits)), bits)
}

func entryCodeInput(digits string) []byte {
	return digestInput("entry_code", "pin", uint32(8*len(digits)), []byte(digits))
}
