package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// bundleLock keeps bundles as PROTOCOL.md says, rule by rule, and nothing else; the simulated lock has an implementation of its own.
type bundleLock struct {
	device string
	root   []byte
	// bundle is the newest Bundle's version, latest the highest that was applied of either kind, forgotten that of the last
	// Revocations with all.
	bundle, latest, forgotten uint64
	door                      []byte
	content                   []byte // the hash as it was signed
	// entries that were taken out by Revocations stay, as false, so that the next difference can be checked.
	entries    map[string]bool
	tombstones map[string]uint64
}

// holds are the hashes of the entries that can open.
func (l *bundleLock) holds() []hexBytes {
	held := []hexBytes{}
	for _, name := range slices.Sorted(maps.Keys(l.entries)) {
		if l.entries[name] {
			held = append(held, unhex(name))
		}
	}
	return held
}

// hash is BundleAck's.
func (l *bundleLock) hash() []byte {
	if l.bundle == 0 {
		return nil
	}
	var hashes [][]byte
	for _, b := range l.holds() {
		hashes = append(hashes, b)
	}
	return hashOfSet(l.door, hashes)
}

func (l *bundleLock) take(m proto.Message, now uint64) *lockwirev1.BundleAck {
	problem := lockwirev1.BundleProblem_BUNDLE_PROBLEM_SIGNATURE
	var version uint64
	switch m := m.(type) {
	case *lockwirev1.Revocations:
		version = m.GetVersion()
		c := new(lockwirev1.RevocationsContent)
		if l.signed("cardea-revocations/1\x00", m, c, now) && c.GetDeviceId() == l.device && c.GetVersion() == version {
			switch {
			case len(c.GetRemoved()) > 2000:
				problem = lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE
			case !sized(c.GetRemoved()):
				problem = lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNKNOWN
			default:
				problem = 0
				l.revoke(c)
			}
		}
	case *lockwirev1.Bundle:
		version = m.GetVersion()
		c := new(lockwirev1.BundleContent)
		if l.signed("cardea-bundle/1\x00", m, c, now) && c.GetDeviceId() == l.device && c.GetVersion() == version {
			problem = l.apply(c)
		}
	}
	return &lockwirev1.BundleAck{Version: version, Applied: problem == 0, Hash: l.hash(), Problem: problem}
}

func (l *bundleLock) revoke(c *lockwirev1.RevocationsContent) {
	if c.GetVersion() < l.bundle || c.GetVersion() < l.forgotten {
		return
	}
	l.latest = max(l.latest, c.GetVersion())
	if c.GetAll() {
		l.forget(c.GetVersion())
		return
	}
	if l.tombstones == nil {
		l.tombstones = map[string]uint64{}
	}
	for _, hash := range c.GetRemoved() {
		name := hex.EncodeToString(hash)
		l.tombstones[name] = max(l.tombstones[name], c.GetVersion())
		if _, held := l.entries[name]; held {
			l.entries[name] = false
		}
	}
	if len(l.tombstones) > 8000 {
		l.forget(c.GetVersion())
	}
}

func (l *bundleLock) forget(version uint64) {
	l.bundle, l.door, l.entries, l.forgotten = 0, nil, nil, version
	l.dropTombstones(version)
}

func (l *bundleLock) dropTombstones(upTo uint64) {
	maps.DeleteFunc(l.tombstones, func(_ string, version uint64) bool { return version <= upTo })
}

func (l *bundleLock) apply(c *lockwirev1.BundleContent) lockwirev1.BundleProblem {
	const wrongBase = lockwirev1.BundleProblem_BUNDLE_PROBLEM_BASE
	version, base := c.GetVersion(), c.GetBaseVersion()
	switch {
	case l.bundle != 0 && version == l.bundle && bytes.Equal(c.GetHash(), l.content):
		return 0
	case version <= l.bundle || version <= l.forgotten:
		return wrongBase
	case base != 0 && (l.bundle == 0 || base < l.bundle || base > l.latest):
		return wrongBase
	case !understood(c):
		return lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNKNOWN
	}
	next := map[string]bool{}
	if base != 0 {
		next = maps.Clone(l.entries)
		maps.DeleteFunc(next, func(name string, _ bool) bool { v, ok := l.tombstones[name]; return ok && v <= version })
	}
	for _, hash := range c.GetRemoved() {
		delete(next, hex.EncodeToString(hash))
	}
	for _, entry := range c.GetEntries() {
		next[hex.EncodeToString(entryHash(entry))] = true
	}
	if len(next) > 20_000 {
		return lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE
	}
	var hashes [][]byte
	for name := range next {
		hashes = append(hashes, unhex(name))
	}
	if !bytes.Equal(hashOfSet(c.GetDoor(), hashes), c.GetHash()) {
		return wrongBase
	}
	l.dropTombstones(version)
	for name := range l.tombstones {
		if _, ok := next[name]; ok {
			next[name] = false
		}
	}
	l.entries, l.door, l.content, l.bundle, l.latest = next, c.GetDoor(), c.GetHash(), version, max(l.latest, version)
	return 0
}

func (l *bundleLock) signed(label string, m interface {
	GetSigned() []byte
	GetSignature() []byte
	GetSignerChain() [][]byte
}, content proto.Message, now uint64) bool {
	chain := m.GetSignerChain()
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil || !verifies(chain, l.root, "bundles.cardea", now) {
		return false
	}
	hash := hashOf(append([]byte(label), m.GetSigned()...))
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	return ok && key.Curve == elliptic.P256() && ecdsa.VerifyASN1(key, hash, m.GetSignature()) && proto.Unmarshal(m.GetSigned(), content) == nil
}

// verifies says whether a chain from a server's leaf with a name leads to a root at a moment.
func verifies(chain [][]byte, root []byte, name string, now uint64) bool {
	l, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return false
	}
	between := x509.NewCertPool()
	for _, der := range chain[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	r, err := x509.ParseCertificate(root)
	if err != nil {
		return false
	}
	pool := x509.NewCertPool()
	pool.AddCert(r)
	_, err = l.Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, DNSName: name, CurrentTime: time.UnixMilli(int64(now)), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err == nil
}

// understood is R-HOLD-5, for bundleLock.
func understood(c *lockwirev1.BundleContent) bool {
	door := new(lockwirev1.BundleDoor)
	ok := allKnown(c.GetDoor(), door)
	for _, key := range door.GetKeys() {
		ok = ok && len(key.GetKey()) == 32
	}
	for _, bytes := range c.GetEntries() {
		entry := new(lockwirev1.BundleEntry)
		ok = ok && allKnown(bytes, entry)
		for _, d := range append(entry.GetDigests(), entry.GetPins()...) {
			ok = ok && len(d.GetDigest()) == 32
		}
	}
	return ok && sized(c.GetRemoved())
}

// sized: entry hashes have 16 bytes.
func sized(removed [][]byte) bool {
	for _, hash := range removed {
		if len(hash) != 16 {
			return false
		}
	}
	return true
}

// allKnown parses a message and says whether it is the same without the fields that nobody knows, also in the messages inside it.
func allKnown(b []byte, m proto.Message) bool {
	if proto.Unmarshal(b, m) != nil {
		return false
	}
	known := m.ProtoReflect().New().Interface()
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, known); err != nil {
		return false
	}
	return proto.Equal(m, known)
}
