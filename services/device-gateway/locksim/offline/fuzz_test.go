package offline

import (
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"google.golang.org/protobuf/proto"
)

// FuzzBundle gives a lock that holds a bundle hostile contents, as if their signature were right, and asks it to decide. It
// stays inside its bounds, and what is refused changes nothing.
func FuzzBundle(f *testing.F) {
	door := marshal(&lockwirev1.BundleDoor{Keys: []*lockwirev1.BundleKey{{Id: "k", Key: make([]byte, 32)}}, Schedules: []*lockwirev1.BundleSchedule{{Ref: 1}}})
	card := &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: 32, Bits: []byte("card")}
	found := digest(make([]byte, 32), kindCard, "uid", 32, card.GetBits())
	entry := marshal(&lockwirev1.BundleEntry{Digests: []*lockwirev1.BundleDigest{{KeyId: "k", Digest: found[:]}}, Rights: []*lockwirev1.BundleRight{{GrantId: "g"}}})
	first := bundle.NewContent(door, [][]byte{entry, entryOf(1)})
	header := func(version uint64) bundle.Header { return bundle.Header{DeviceID: device, Version: version} }
	next := bundle.NewContent(door, [][]byte{entry})
	f.Add(marshal(bundle.Full(header(2), next)), marshal(bundle.Revocations(device, 3, first.EntryHashes(), false)))
	f.Add(marshal(bundle.Delta(header(2), 1, first.EntryHashes(), next)), marshal(bundle.Revocations(device, 2, nil, true)))
	f.Fuzz(func(t *testing.T, content, revocations []byte) {
		h := New(device, nil)
		if err := h.apply(bundle.Full(header(1), first)); err != nil {
			t.Fatal(err)
		}
		before := string(h.Hash())
		m := new(lockwirev1.BundleContent)
		if proto.Unmarshal(content, m) == nil && h.apply(m) != nil && string(h.Hash()) != before {
			t.Fatal("a refused bundle changed what is held")
		}
		r := new(lockwirev1.RevocationsContent)
		if proto.Unmarshal(revocations, r) == nil && len(r.GetRemoved()) <= bundle.MaxRemoved {
			_ = h.revoke(r)
			_ = h.apply(m)
		}
		size := len(h.content.doorBytes)
		for _, e := range h.content.entries {
			size += len(e)
		}
		if size > maxBytes || len(h.content.entries) > maxEntries || len(h.tombstones) > maxTombstones {
			t.Fatalf("%d bytes, %d entries, %d tombstones", size, len(h.content.entries), len(h.tombstones))
		}
		h.Decide(Clock{Set: true, UnixMs: 1, UptimeMs: 1}, Presented{Card: card, PIN: "0427"})
		h.Decide(Clock{}, Presented{PIN: "0427"})
		h.StandsOpen(Clock{Set: true})
		b, err := h.Save()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load(device, nil, b)
		if err != nil || string(again.Hash()) != string(h.Hash()) {
			t.Fatalf("what was saved is not read again: %v", err)
		}
	})
}
