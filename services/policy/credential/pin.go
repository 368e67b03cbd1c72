package credential

// KindPIN is the kind of a PIN: digits that a person types besides a card.
const KindPIN = "pin"

// FormatPIN is the format in a PIN's digest.
const FormatPIN = "pin"

// PINDigest is the Digest of a person's PIN. Its bits are the person's id, a zero byte and the ASCII digits, so that the same
// digits of two people are two digests, and neither opens for the other.
func PINDigest(key [32]byte, personID, digits string) [32]byte {
	bits := make([]byte, 0, len(personID)+1+len(digits))
	bits = append(append(append(bits, personID...), 0), digits...)
	return Digest(key, KindPIN, FormatPIN, uint32(8*len(bits)), bits)
}
