package bundle

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
)

// Content is the whole of a bundle but for its version and times. Its slices are not to be changed.
type Content struct {
	// Door is a serialized BundleDoor.
	Door []byte
	// Entries are serialized BundleEntry messages, each once, in rising order of their hashes.
	Entries [][]byte
	// Hash is that of BundleContent.hash.
	Hash [32]byte
}

// NewContent sorts entries, leaves doubles out, and hashes. It keeps its arguments.
func NewContent(door []byte, entries [][]byte) Content {
	type hashed struct {
		hash  [16]byte
		entry []byte
	}
	all := make([]hashed, len(entries))
	for i, e := range entries {
		all[i] = hashed{EntryHash(e), e}
	}
	slices.SortFunc(all, func(a, b hashed) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	all = slices.CompactFunc(all, func(a, b hashed) bool { return a.hash == b.hash })
	c := Content{Door: door, Entries: make([][]byte, len(all))}
	hashes := make([][16]byte, len(all))
	for i, h := range all {
		c.Entries[i], hashes[i] = h.entry, h.hash
	}
	c.Hash = Hash(door, hashes)
	return c
}

// Check wraps ErrTooLarge when no lock holds the content, however it comes there.
func (c Content) Check() error {
	size := len(c.Door)
	for _, e := range c.Entries {
		size += len(e)
	}
	if len(c.Entries) > MaxEntries || size > MaxSigned {
		return fmt.Errorf("%d entries and %d bytes: %w", len(c.Entries), size, ErrTooLarge)
	}
	return nil
}

// EntryHashes are the hashes of the entries, in rising order.
func (c Content) EntryHashes() [][16]byte {
	hashes := make([][16]byte, len(c.Entries))
	for i, e := range c.Entries {
		hashes[i] = EntryHash(e)
	}
	return hashes
}

// EntryHash is the first 16 bytes of the SHA-256 of a serialized entry.
func EntryHash(entry []byte) [16]byte {
	full := sha256.Sum256(entry)
	return [16]byte(full[:16])
}

// Hash is SHA-256 over the SHA-256 of the door's bytes and then the entry hashes, which must be in rising order, each once.
func Hash(door []byte, entryHashes [][16]byte) [32]byte {
	h := sha256.New()
	head := sha256.Sum256(door)
	h.Write(head[:])
	for i := range entryHashes {
		h.Write(entryHashes[i][:])
	}
	return [32]byte(h.Sum(nil))
}

// SortHashes puts hashes into rising order, each once, as Hash wants them.
func SortHashes(hashes [][16]byte) [][16]byte {
	slices.SortFunc(hashes, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(hashes)
}

// Difference is what makes a lock that holds the old entries hold the new ones: entries to add, and hashes to take out, in
// rising order. The door is no part of it: it is always sent whole.
func Difference(old [][16]byte, next Content) (added [][]byte, removed [][16]byte) {
	had := make(map[[16]byte]struct{}, len(old))
	for _, h := range old {
		had[h] = struct{}{}
	}
	for _, e := range next.Entries {
		h := EntryHash(e)
		if _, ok := had[h]; ok {
			delete(had, h)
			continue
		}
		added = append(added, e)
	}
	for h := range had {
		removed = append(removed, h)
	}
	return added, SortHashes(removed)
}
