// Package credential says what a card number looks like, how it and typed digits become the digest that a door may know, and
// what proves that a key is there and not a copy of its public half.
//
// The digest is the one function that identity (when a card is issued) and a gateway (when a card is presented) must
// compute alike, so it lives here, with vectors that a test pins. A digest is for ever: another encoding needs another
// label than `credential/v1`.
//
// Everything here is pure and safe for concurrent use. Error texts never repeat the bits of a card.
package credential

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Kinds of credentials, as they go into a digest.
const (
	KindCard   = "card"
	KindMobile = "mobile"
)

// Formats of card numbers.
const (
	FormatWiegand26 = "wiegand26" // 26 bits, parity included (H10301)
	FormatWiegand34 = "wiegand34" // 34 bits, parity included
	FormatWiegand37 = "wiegand37" // 37 bits, parity included
	FormatUID       = "uid"       // the chip's serial number: 4 to 10 whole bytes
	FormatPKOC      = "pkoc"      // a public key: an uncompressed point of P-256, 65 bytes
)

// ErrMalformed is the error of every number that Check refuses.
var ErrMalformed = errors.New("malformed card number")

// label separates these digests from every other use of a digest key.
const label = "credential/v1"

// Digest is HMAC-SHA-256 of a card number under a digest key of the door's organization. The authenticated message is
//
//	len(label) label  len(kind) kind  len(format) format  bit length  len(bits) bits
//
// where each length, and the bit length, is a big-endian uint32 and label is `credential/v1`: no two different numbers
// have the same message. It does not check the number; see Check.
func Digest(key [32]byte, kind, format string, bitLength uint32, bits []byte) [32]byte {
	message := make([]byte, 0, messageRoom)
	message = appendPart(message, label)
	message = appendPart(message, kind)
	message = appendPart(message, format)
	message = binary.BigEndian.AppendUint32(message, bitLength)
	message = appendPart(message, bits)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(message) // never fails
	return [32]byte(mac.Sum(message[:0]))
}

// messageRoom fits the message of the longest card that a lock may send, 1,024 bits, with what is around it.
const messageRoom = 256

// Check says whether a number is one that a reader of the format can read: the length fits the format, there are exactly
// as many bytes as the bits need, and the unused bits of the last byte are zero. Its error wraps ErrMalformed.
//
// Readers' parity bits are part of the number and are not checked: cards with other parity rules are in use.
func Check(format string, bitLength uint32, bits []byte) error {
	if err := checkLength(format, bitLength); err != nil {
		return err
	}
	if want := int(bitLength+7) / 8; len(bits) != want {
		return fmt.Errorf("%w: %d bits need %d bytes, there are %d", ErrMalformed, bitLength, want, len(bits))
	}
	if unused := (8 - bitLength%8) % 8; bits[len(bits)-1]&(1<<unused-1) != 0 {
		return fmt.Errorf("%w: the %d unused bits of the last byte must be zero", ErrMalformed, unused)
	}
	if format == FormatPKOC {
		// NewPublicKey refuses what is compressed, infinite or off the curve.
		if _, err := ecdh.P256().NewPublicKey(bits); err != nil {
			return fmt.Errorf("%w: not an uncompressed point of P-256", ErrMalformed)
		}
	}
	return nil
}

func checkLength(format string, bitLength uint32) error {
	switch format {
	case FormatWiegand26:
		return exactly(format, 26, bitLength)
	case FormatWiegand34:
		return exactly(format, 34, bitLength)
	case FormatWiegand37:
		return exactly(format, 37, bitLength)
	case FormatPKOC:
		return exactly(format, 520, bitLength)
	case FormatUID:
		if bitLength < 32 || bitLength > 80 || bitLength%8 != 0 {
			return fmt.Errorf("%w: a uid has 32 to 80 bits in whole bytes, not %d", ErrMalformed, bitLength)
		}
		return nil
	default:
		return fmt.Errorf("%w: unknown format", ErrMalformed)
	}
}

func exactly(format string, want, got uint32) error {
	if got != want {
		return fmt.Errorf("%w: %s has %d bits, not %d", ErrMalformed, format, want, got)
	}
	return nil
}

func appendPart[Part string | []byte](message []byte, part Part) []byte {
	return append(binary.BigEndian.AppendUint32(message, uint32(len(part))), part...)
}
