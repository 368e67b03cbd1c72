package offline

import (
	"crypto/x509"
	"encoding/json"
	"fmt"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
)

// saved is what is in flash. It has the digest keys: it belongs where the lock keeps its private key.
type saved struct {
	Bundle     uint64      `json:"bundle"`
	Latest     uint64      `json:"latest"`
	Forgotten  uint64      `json:"forgotten"`
	Issued     uint64      `json:"issued"`
	NotAfter   uint64      `json:"not_after"`
	Hash       []byte      `json:"hash"`
	Door       []byte      `json:"door"`
	Entries    [][]byte    `json:"entries"`
	Bare       [][]byte    `json:"bare"` // hashes of entries without bytes
	Tombstones []tombstone `json:"tombstones"`
}

type tombstone struct {
	Hash    []byte `json:"hash"`
	Version uint64 `json:"version"`
}

// Save is what the lock writes into its flash after each change, before it answers.
func (h *Holder) Save() ([]byte, error) {
	s := saved{
		Bundle: h.bundle, Latest: h.latest, Forgotten: h.forgotten, Issued: h.content.issued, NotAfter: h.content.notAfter,
		Hash: h.content.hash[:], Door: h.content.doorBytes,
	}
	for hash, entry := range h.content.entries {
		if entry == nil {
			s.Bare = append(s.Bare, hash[:])
		} else {
			s.Entries = append(s.Entries, entry)
		}
	}
	for hash, version := range h.tombstones {
		s.Tombstones = append(s.Tombstones, tombstone{hash[:], version})
	}
	return json.Marshal(s)
}

// Load reads what Save wrote. What is not whole (another hash than was written) is an error: the lock then holds no bundle, and
// the gateway sends one.
func Load(device string, roots *x509.CertPool, b []byte) (*Holder, error) {
	var s saved
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("bundle in flash: %w", err)
	}
	h := New(device, roots)
	h.bundle, h.latest, h.forgotten = s.Bundle, s.Latest, s.Forgotten
	for _, t := range s.Tombstones {
		if len(t.Hash) != len(entryHash{}) {
			return nil, fmt.Errorf("bundle in flash: a tombstone of %d bytes", len(t.Hash))
		}
		h.tombstones[entryHash(t.Hash)] = t.Version
	}
	if s.Bundle == 0 {
		return h, nil
	}
	h.content = content{issued: s.Issued, notAfter: s.NotAfter, doorBytes: s.Door, entries: map[entryHash][]byte{}}
	for _, entry := range s.Entries {
		h.content.entries[bundle.EntryHash(entry)] = entry
	}
	for _, hash := range s.Bare {
		if len(hash) != len(entryHash{}) {
			return nil, fmt.Errorf("bundle in flash: a hash of %d bytes", len(hash))
		}
		h.content.entries[entryHash(hash)] = nil
	}
	var err error
	if h.content.door, err = parseDoor(s.Door); err == nil {
		err = h.content.check(s.Hash)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle in flash: %w", err)
	}
	h.content.reindex()
	return h, nil
}
