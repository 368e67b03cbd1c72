// Package ledger is the tamper-evident log itself: what an entry is, how it is hashed, and how a stranger checks it.
//
// There is one ledger for each organization in each region. Its entries have positions 0, 1, 2, ... without gaps, and each
// entry's hash covers the hash before it, so the last hash (the head) commits to every entry. Whoever has noted a head once
// can prove later that nothing before it was changed, taken out, put in or moved.
//
// An entry commits to the SHA-256 of its body, not to the body. Retention and erasure may remove bodies; the chain still
// verifies.
//
// # The format, version 1
//
// The hash of an entry is SHA-256 over these bytes, in this order, with nothing between them:
//
//	domain         the 23 bytes "cardea/ledger/entry/v1\x00"
//	organization   u32 length in bytes, then the id in ASCII:     org_euc_01jd3q8v5dfw0b9m3cz1n2k4xw
//	region         u32 length in bytes, then the name in ASCII:   eu-central
//	position       u64
//	event id       u32 length in bytes, then the id in UTF-8
//	body           32 bytes: SHA-256 of the body as stored
//	previous       32 bytes: hash of the entry before; zero bytes at position 0
//	appended at    i64: microseconds since 1970-01-01T00:00:00Z, two's complement
//
// All integers are big-endian. Every field has a fixed length or carries its own, so no two entries have the same bytes.
// A change of this format gets a new domain; the old one keeps its meaning for ever. The body is a serialized
// cardea.type.v1.Event, whose id, organization and region are the entry's.
//
// The package is pure: no clock, no input or output. Values may be shared; a Verifier belongs to one goroutine.
package ledger
