package offline

import (
	"crypto/x509"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
)

// Bounds of what a Holder keeps, whatever it is sent.
const (
	maxBytes      = bundle.MaxSigned
	maxEntries    = bundle.MaxEntries
	maxTombstones = 8_000
)

// Holder is the bundle of one lock. Make one with New or Load.
type Holder struct {
	device string
	roots  *x509.CertPool

	// bundle, latest and forgotten are versions, see the package's description.
	bundle, latest, forgotten uint64
	content                   content
	// tombstones have the version of the Revocations that made them.
	tombstones map[entryHash]uint64

	attempts attempts
}

type entryHash = [16]byte

// content is what the last Bundle left; the zero value when there is none.
type content struct {
	issued, notAfter uint64 // milliseconds since 1970
	hash             [32]byte
	doorBytes        []byte
	door             *lockwirev1.BundleDoor
	// entries are serialized BundleEntry messages; nil for one that lost its bytes.
	entries map[entryHash][]byte
	index   map[digestKey]entryHash
}

// digestKey is by what an entry is found.
type digestKey struct {
	key    string
	digest [32]byte
}

// New makes a holder without a bundle. roots are those that the lock pins.
func New(device string, roots *x509.CertPool) *Holder {
	return &Holder{device: device, roots: roots, tombstones: map[entryHash]uint64{}}
}

// Holds says whether there is a bundle.
func (h *Holder) Holds() bool { return h.bundle != 0 }

// Version is Hello.bundle_version.
func (h *Holder) Version() uint64 {
	if !h.Holds() {
		return 0
	}
	return h.latest
}

// Hash is Hello.bundle_hash; empty without a bundle.
func (h *Holder) Hash() []byte {
	if !h.Holds() {
		return nil
	}
	var hashes [][16]byte
	for hash, entry := range h.content.entries {
		if entry != nil {
			hashes = append(hashes, hash)
		}
	}
	sum := bundle.Hash(h.content.doorBytes, bundle.SortHashes(hashes))
	return sum[:]
}

// Entries is how many credentials could open.
func (h *Holder) Entries() int {
	n := 0
	for _, entry := range h.content.entries {
		if entry != nil {
			n++
		}
	}
	return n
}

// Tombstones is how many entries are not let in, since Revocations took them out.
func (h *Holder) Tombstones() int { return len(h.tombstones) }

// forget drops the bundle (H11).
func (h *Holder) forget(version uint64) {
	h.bundle, h.forgotten, h.content = 0, version, content{}
	h.latest = max(h.latest, version)
	h.dropTombstones(version)
}

func (h *Holder) dropTombstones(upTo uint64) {
	for hash, version := range h.tombstones {
		if version <= upTo {
			delete(h.tombstones, hash)
		}
	}
}
