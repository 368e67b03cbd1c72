package bundle

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// Limits of the messages; PROTOCOL.md has them too.
const (
	// MaxSigned is the most that Bundle.signed may have, bytes.
	MaxSigned = 4 << 20
	// MaxEntries is how many entries a content may have.
	MaxEntries = 20_000
	// MaxRemoved is how many hashes one Revocations may have, so that it fits one frame.
	MaxRemoved = 2000
)

// Header is what a content is sent with.
type Header struct {
	DeviceID string
	// Version is of the device's one counter for bundles and revocations.
	Version uint64
	// IssuedAt and NotAfter are whole minutes.
	IssuedAt, NotAfter time.Time
}

// Full is the message with the whole content.
func Full(h Header, c Content) *lockwirev1.BundleContent {
	m := message(h, c)
	m.Entries = c.Entries
	return m
}

// Delta is the message that makes a lock that holds exactly the old entries, as of base, hold the content. base is the
// version that the lock confirmed last, of a Bundle or of Revocations, and old is without what those took out.
func Delta(h Header, base uint64, old [][16]byte, c Content) *lockwirev1.BundleContent {
	m := message(h, c)
	m.BaseVersion = base
	added, removed := Difference(old, c)
	m.Entries, m.Removed = added, slicesOf(removed)
	return m
}

func message(h Header, c Content) *lockwirev1.BundleContent {
	return &lockwirev1.BundleContent{
		DeviceId: h.DeviceID, Version: h.Version, IssuedAtMs: uint64(h.IssuedAt.UnixMilli()), NotAfterMs: uint64(h.NotAfter.UnixMilli()),
		Door: c.Door, Hash: c.Hash[:],
	}
}

// Revocations is the message that takes entries out; at most MaxRemoved. all: the lock forgets its whole bundle.
func Revocations(deviceID string, version uint64, removed [][16]byte, all bool) *lockwirev1.RevocationsContent {
	return &lockwirev1.RevocationsContent{DeviceId: deviceID, Version: version, Removed: slicesOf(removed), All: all}
}

func slicesOf(hashes [][16]byte) [][]byte {
	list := make([][]byte, len(hashes))
	for i := range hashes {
		list[i] = hashes[i][:]
	}
	return list
}
