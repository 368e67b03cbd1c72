package offline

import (
	"bytes"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// parse reads the door and the entries of a content (H5). A field that this lock does not know may be a rule that it would
// break, so here, other than elsewhere in the protocol, it is refused.
func parse(m *lockwirev1.BundleContent) (content, error) {
	c := content{
		issued: m.GetIssuedAtMs(), notAfter: m.GetNotAfterMs(), doorBytes: bytes.Clone(m.GetDoor()),
		entries: make(map[entryHash][]byte, len(m.GetEntries())),
	}
	for _, hash := range m.GetRemoved() {
		if len(hash) != len(entryHash{}) {
			return content{}, errUnknown
		}
	}
	var err error
	if c.door, err = parseDoor(c.doorBytes); err != nil {
		return content{}, err
	}
	for _, b := range m.GetEntries() {
		if _, err := parseEntry(b); err != nil {
			return content{}, err
		}
		c.entries[bundle.EntryHash(b)] = append([]byte{}, b...) // never nil
	}
	return c, nil
}

func parseDoor(b []byte) (*lockwirev1.BundleDoor, error) {
	door := new(lockwirev1.BundleDoor)
	if proto.Unmarshal(b, door) != nil || !known(door.ProtoReflect()) {
		return nil, errUnknown
	}
	for _, key := range door.GetKeys() {
		if len(key.GetKey()) != 32 {
			return nil, errUnknown
		}
	}
	return door, nil
}

func parseEntry(b []byte) (*lockwirev1.BundleEntry, error) {
	entry := new(lockwirev1.BundleEntry)
	if proto.Unmarshal(b, entry) != nil || !known(entry.ProtoReflect()) {
		return nil, errUnknown
	}
	for _, list := range [][]*lockwirev1.BundleDigest{entry.GetDigests(), entry.GetPins()} {
		for _, d := range list {
			if len(d.GetDigest()) != 32 {
				return nil, errUnknown
			}
		}
	}
	return entry, nil
}

// known says whether a message, and all inside it, has only fields that this lock knows.
func known(m protoreflect.Message) bool {
	ok := len(m.GetUnknown()) == 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				ok = ok && known(value.List().Get(i).Message())
			}
		default:
			ok = ok && known(value.Message())
		}
		return ok
	})
	return ok
}

// reindex makes the index of all entries that have bytes. Of two with the same digest the one with the lower hash is found.
func (c *content) reindex() {
	c.index = make(map[digestKey]entryHash, len(c.entries))
	for hash, b := range c.entries {
		if b == nil {
			continue
		}
		entry, err := parseEntry(b)
		if err != nil {
			continue // it was parsed when it came
		}
		for _, d := range entry.GetDigests() {
			key := digestKey{d.GetKeyId(), [32]byte(d.GetDigest())}
			if other, ok := c.index[key]; !ok || bytes.Compare(hash[:], other[:]) < 0 {
				c.index[key] = hash
			}
		}
	}
}
