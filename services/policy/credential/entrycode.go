package credential

// KindEntryCode is the kind of an entry code: digits that open alone.
const KindEntryCode = "entry_code"

// EntryCodeDigest is the Digest of an entry code. Its format is that of a PIN and its bits are the ASCII digits, without a
// person's id: at the door nobody has said yet who they are.
func EntryCodeDigest(key [32]byte, digits string) [32]byte {
	return Digest(key, KindEntryCode, FormatPIN, uint32(8*len(digits)), []byte(digits))
}
