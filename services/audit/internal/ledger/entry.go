package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// domain separates entry hashes from every other use of SHA-256, and names the version of the format.
const domain = "cardea/ledger/entry/v1\x00"

// Hash is a SHA-256. The zero value stands before the first entry.
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String wrote.
func ParseHash(s string) (Hash, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return Hash{}, fmt.Errorf("a hash is 64 hexadecimal digits: %w", err)
	}
	return HashFromBytes(b)
}

// HashFromBytes takes a hash from storage or from the wire.
func HashFromBytes(b []byte) (Hash, error) {
	if len(b) != sha256.Size {
		return Hash{}, fmt.Errorf("a hash has %d bytes, this one %d", sha256.Size, len(b))
	}
	return Hash(b), nil
}

// ID names a ledger.
type ID struct {
	Org    region.ID
	Region region.Name
}

// Head is the end of a ledger: how many entries it has, and the hash of the last. The zero value is an empty ledger's.
type Head struct {
	Size int64
	Hash Hash
}

// Entry is one event's place in a ledger.
type Entry struct {
	Position   int64
	EventID    string
	BodySHA256 Hash
	Previous   Hash
	Hash       Hash
	AppendedAt time.Time // whole microseconds: what the databases keep
	Body       []byte    // nil when retention or erasure removed it
}

// Head is the head of the ledger that ends with this entry.
func (e Entry) Head() Head { return Head{Size: e.Position + 1, Hash: e.Hash} }

// Next makes the entry that follows head. It cuts at to microseconds.
func (id ID) Next(head Head, eventID string, body []byte, at time.Time) Entry {
	e := Entry{
		Position:   head.Size,
		EventID:    eventID,
		BodySHA256: sha256.Sum256(body),
		Previous:   head.Hash,
		AppendedAt: at.UTC().Truncate(time.Microsecond),
		Body:       body,
	}
	e.Hash = id.HashOf(e)
	return e
}

// HashOf computes the hash of an entry of this ledger from its other fields; it does not look at e.Hash or e.Body.
func (id ID) HashOf(e Entry) Hash {
	b := make([]byte, 0, 256)
	b = append(b, domain...)
	b = appendText(b, string(id.Org))
	b = appendText(b, string(id.Region))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Position))
	b = appendText(b, e.EventID)
	b = append(b, e.BodySHA256[:]...)
	b = append(b, e.Previous[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.AppendedAt.UnixMicro()))
	return sha256.Sum256(b)
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
