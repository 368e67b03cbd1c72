package offline

import (
	"fmt"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

const device = "device_euc_1"

// marshal is a message's bytes.
func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // a test's own message
	}
	return b
}

func authority(t testing.TB) (*enroll.Authority, *bundle.Signer) {
	t.Helper()
	root, err := pki.NewRoot("devices", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	a := enroll.NewAuthority(root)
	s, err := a.BundleSigner(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return a, s
}

func entryOf(n int) []byte { return marshal(&lockwirev1.BundleEntry{CredentialId: fmt.Sprint("c", n)}) }

// sent is one message on its way, and what is true once it is applied.
type sent struct {
	version uint64
	entries map[entryHash]bool // of a bundle
	gone    map[entryHash]bool // of revocations
	all     bool
	deliver func(*Holder) *lockwirev1.BundleAck
}

// lane makes messages as a gateway does: differences are made against what the lock confirmed.
type lane struct {
	t       *rapid.T
	signer  *bundle.Signer
	version uint64
	now     time.Time
	// base and held are what the lock confirmed last.
	base uint64
	held [][16]byte
}

func (l *lane) bundle(full bool) sent {
	l.version++
	var entries [][]byte
	for n := range 8 {
		if rapid.Bool().Draw(l.t, "in") {
			entries = append(entries, entryOf(n))
		}
	}
	c := bundle.NewContent(marshal(&lockwirev1.BundleDoor{DoorId: fmt.Sprint(l.version)}), entries)
	h := bundle.Header{DeviceID: device, Version: l.version, IssuedAt: l.now, NotAfter: l.now.Add(time.Hour)}
	m := bundle.Full(h, c)
	if !full && l.base != 0 {
		m = bundle.Delta(h, l.base, l.held, c)
	}
	signed, err := l.signer.Bundle(m)
	if err != nil {
		l.t.Fatal(err)
	}
	s := sent{version: l.version, entries: map[entryHash]bool{}, deliver: func(h *Holder) *lockwirev1.BundleAck { return h.Apply(signed, l.now) }}
	for _, hash := range c.EntryHashes() {
		s.entries[hash] = true
	}
	return s
}

func (l *lane) revocations() sent {
	l.version++
	s := sent{version: l.version, gone: map[entryHash]bool{}, all: rapid.IntRange(0, 15).Draw(l.t, "all") == 1}
	var gone [][16]byte
	for n := range 8 {
		if rapid.IntRange(0, 2).Draw(l.t, "gone") == 0 {
			gone = append(gone, bundle.EntryHash(entryOf(n)))
			s.gone[bundle.EntryHash(entryOf(n))] = true
		}
	}
	signed, err := l.signer.Revocations(bundle.Revocations(device, l.version, gone, s.all))
	if err != nil {
		l.t.Fatal(err)
	}
	s.deliver = func(h *Holder) *lockwirev1.BundleAck { return h.Revoke(signed, l.now) }
	return s
}

// wanted is what a lock holds that has applied these: the last bundle without what later revocations took out.
func wanted(applied []sent) (entries map[entryHash]bool, holds bool) {
	var last sent
	for _, s := range applied {
		if s.entries != nil && s.version > last.version {
			last = s
		}
	}
	entries = map[entryHash]bool{}
	for hash := range last.entries {
		entries[hash] = true
	}
	for _, s := range applied {
		if s.version < last.version {
			continue
		}
		if s.all {
			return nil, false
		}
		for hash := range s.gone {
			delete(entries, hash)
		}
	}
	return entries, last.version != 0
}

func effective(h *Holder) map[entryHash]bool {
	all := map[entryHash]bool{}
	for hash, entry := range h.content.entries {
		if entry != nil {
			all[hash] = true
		}
	}
	return all
}

// TestAnyOrderOfArrival: bundles, differences and revocations arrive late, twice, or never; the lock also boots in between. It
// holds what the last bundle that it applied has, without what later revocations took out; and a whole bundle always gets it right.
func TestAnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	a, signer := authority(t)
	deltas := 0
	rapid.Check(t, func(t *rapid.T) {
		l := &lane{t: t, signer: signer, now: time.Now().Truncate(time.Minute)}
		h := New(device, a.Pool())
		var under, applied []sent
		deliver := func(s sent) bool {
			ack := s.deliver(h)
			if ack.GetApplied() {
				applied = append(applied, s)
				if s.entries != nil && l.base != 0 {
					deltas++
				}
			}
			entries, holds := wanted(applied)
			if got := effective(h); h.Holds() != holds || holds && fmt.Sprint(got) != fmt.Sprint(entries) {
				t.Fatalf("after version %d (applied: %v): holds %v %v, wanted %v %v", s.version, ack.GetApplied(), h.Holds(), got, holds, entries)
			}
			if string(ack.GetHash()) != string(h.Hash()) {
				t.Fatal("BundleAck has another hash")
			}
			return ack.GetApplied()
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				under = append(under, l.revocations())
			case 1, 2:
				under = append(under, l.bundle(rapid.IntRange(0, 3).Draw(t, "full") == 0))
			case 3, 4: // whichever, perhaps again later
				if len(under) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(under)-1).Draw(t, "arrives")
				if deliver(under[i]) {
					l.base, l.held = h.Version(), nil
					for hash := range effective(h) {
						l.held = append(l.held, hash)
					}
				}
				if rapid.Bool().Draw(t, "once") {
					under = append(under[:i:i], under[i+1:]...)
				}
			case 5:
				b, err := h.Save()
				if err != nil {
					t.Fatal(err)
				}
				if h, err = Load(device, a.Pool(), b); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !deliver(l.bundle(true)) {
			t.Fatal("a whole bundle of the highest version is refused")
		}
	})
	if deltas == 0 {
		t.Error("no difference was ever applied")
	}
}

// TestAReplayedBundleIsRefused: an old one brings nothing back, also after the lock has forgotten all.
func TestAReplayedBundleIsRefused(t *testing.T) {
	a, signer := authority(t)
	h := New(device, a.Pool())
	rapid.Check(t, func(t *rapid.T) {
		h = New(device, a.Pool())
		l := &lane{t: t, signer: signer, now: time.Now()}
		old, next := l.bundle(true), l.bundle(true)
		if !old.deliver(h).GetApplied() || !old.deliver(h).GetApplied() || !next.deliver(h).GetApplied() {
			t.Fatal("not applied, or not twice")
		}
		if ack := old.deliver(h); ack.GetApplied() || ack.GetProblem() != lockwirev1.BundleProblem_BUNDLE_PROBLEM_BASE {
			t.Fatalf("%v", ack)
		}
		all, err := signer.Revocations(bundle.Revocations(device, 3, nil, true))
		if err != nil {
			t.Fatal(err)
		}
		if ack := h.Revoke(all, l.now); !ack.GetApplied() || h.Holds() || len(ack.GetHash()) != 0 {
			t.Fatalf("%v", ack)
		}
		if next.deliver(h).GetApplied() {
			t.Fatal("it holds again what it was to forget")
		}
	})
}

// TestABundleThatALockDoesNotUnderstandIsRefused: a rule of a later version must not be passed over.
func TestABundleThatALockDoesNotUnderstandIsRefused(t *testing.T) {
	later := func(m proto.Message) []byte { return append(marshal(m), 0xf8, 0x3f, 0x01) } // field 1023
	h := New(device, nil)
	for what, c := range map[string]bundle.Content{
		"a door's field":        bundle.NewContent(later(&lockwirev1.BundleDoor{}), nil),
		"a rule":                bundle.NewContent(append([]byte{0x42, 3}, 0xf8, 0x3f, 0x01), nil),
		"an entry's field":      bundle.NewContent(nil, [][]byte{later(&lockwirev1.BundleEntry{})}),
		"a right's field":       bundle.NewContent(nil, [][]byte{append([]byte{0x2a, 3}, 0xf8, 0x3f, 0x01)}),
		"a digest of 31 bytes":  bundle.NewContent(nil, [][]byte{marshal(&lockwirev1.BundleEntry{Digests: []*lockwirev1.BundleDigest{{Digest: make([]byte, 31)}}})}),
		"a key of 33 bytes":     bundle.NewContent(marshal(&lockwirev1.BundleDoor{Keys: []*lockwirev1.BundleKey{{Key: make([]byte, 33)}}}), nil),
		"not a message at all":  bundle.NewContent([]byte{0xff}, nil),
		"an entry that is none": bundle.NewContent(nil, [][]byte{{0xff}}),
	} {
		if err := h.apply(bundle.Full(bundle.Header{DeviceID: device, Version: 1}, c)); err != errUnknown || h.Holds() {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestALockKeepsABoundedAmount(t *testing.T) {
	h := New(device, nil)
	var many [][]byte
	for n := range maxEntries + 1 {
		many = append(many, entryOf(n))
	}
	header := bundle.Header{DeviceID: device, Version: 1}
	if err := h.apply(bundle.Full(header, bundle.NewContent(nil, many))); err != errTooLarge {
		t.Errorf("%d entries: %v", len(many), err)
	}
	if err := h.apply(bundle.Full(header, bundle.NewContent(nil, many[:10]))); err != nil {
		t.Fatal(err)
	}
	for version := uint64(2); len(h.tombstones) > 0 || version == 2; version++ {
		gone := make([][16]byte, bundle.MaxRemoved)
		for i := range gone {
			gone[i] = [16]byte{byte(version), byte(i), byte(i >> 8)}
		}
		if err := h.revoke(bundle.Revocations(device, version, gone, false)); err != nil || len(h.tombstones) > maxTombstones {
			t.Fatalf("%v, %d tombstones", err, len(h.tombstones))
		}
	}
	if h.Holds() {
		t.Error("a lock that cannot remember what was revoked still opens")
	}
}
