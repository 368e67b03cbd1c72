package offline

import (
	"errors"
	"maps"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
)

// problem is why something is not applied.
type problem lockwirev1.BundleProblem

func (p problem) Error() string { return lockwirev1.BundleProblem(p).String() }

const (
	errBase     = problem(lockwirev1.BundleProblem_BUNDLE_PROBLEM_BASE)
	errTooLarge = problem(lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE)
	errUnknown  = problem(lockwirev1.BundleProblem_BUNDLE_PROBLEM_UNKNOWN)
)

// Apply takes a Bundle. now is the lock's clock, which a Welcome has set. The answer may be sent once what Save returns is in flash.
func (h *Holder) Apply(m *lockwirev1.Bundle, now time.Time) *lockwirev1.BundleAck {
	content, err := bundle.Verify(h.roots, m, h.device, now) // H1
	if err == nil {
		err = h.apply(content)
	}
	return h.answer(m.GetVersion(), err)
}

func (h *Holder) answer(version uint64, err error) *lockwirev1.BundleAck {
	ack := &lockwirev1.BundleAck{Version: version, Applied: err == nil, Hash: h.Hash()}
	var why problem
	switch {
	case err == nil:
	case errors.As(err, &why):
		ack.Problem = lockwirev1.BundleProblem(why)
	case errors.Is(err, bundle.ErrTooLarge):
		ack.Problem = lockwirev1.BundleProblem_BUNDLE_PROBLEM_TOO_LARGE
	default:
		ack.Problem = lockwirev1.BundleProblem_BUNDLE_PROBLEM_SIGNATURE
	}
	return ack
}

// apply takes a content whose signature is right.
func (h *Holder) apply(m *lockwirev1.BundleContent) error {
	version := m.GetVersion()
	if h.Holds() && version == h.bundle && string(m.GetHash()) == string(h.content.hash[:]) { // H2
		return nil
	}
	if version <= h.bundle || version <= h.forgotten { // H3
		return errBase
	}
	base := m.GetBaseVersion()
	if base != 0 && (!h.Holds() || base < h.bundle || base > h.latest) { // H4
		return errBase
	}
	next, err := parse(m) // H5
	if err != nil {
		return err
	}
	if base != 0 {
		next.entries = h.difference(m, next.entries) // H6
	}
	if err := next.check(m.GetHash()); err != nil { // H6, H7
		return err
	}
	h.dropTombstones(version) // H8
	for hash := range h.tombstones {
		if _, ok := next.entries[hash]; ok {
			next.entries[hash] = nil
		}
	}
	next.reindex()
	h.content, h.bundle, h.latest = next, version, max(h.latest, version)
	return nil
}

// difference is what the held entries become.
func (h *Holder) difference(m *lockwirev1.BundleContent, added map[entryHash][]byte) map[entryHash][]byte {
	result := maps.Clone(h.content.entries)
	for hash, version := range h.tombstones {
		if version <= m.GetVersion() {
			delete(result, hash)
		}
	}
	for _, hash := range m.GetRemoved() {
		delete(result, entryHash(hash))
	}
	maps.Copy(result, added)
	return result
}

// check holds a result against its bounds and its hash.
func (c *content) check(hash []byte) error {
	size := len(c.doorBytes)
	for _, entry := range c.entries {
		size += len(entry)
	}
	if len(c.entries) > maxEntries || size > maxBytes {
		return errTooLarge
	}
	c.hash = bundle.Hash(c.doorBytes, bundle.SortHashes(slices.Collect(maps.Keys(c.entries))))
	if string(hash) != string(c.hash[:]) {
		return errBase
	}
	return nil
}

// Revoke takes Revocations. now and the answer are as with Apply.
func (h *Holder) Revoke(m *lockwirev1.Revocations, now time.Time) *lockwirev1.BundleAck {
	content, err := bundle.VerifyRevocations(h.roots, m, h.device, now) // H9
	if err == nil {
		err = h.revoke(content)
	}
	return h.answer(m.GetVersion(), err)
}

func (h *Holder) revoke(m *lockwirev1.RevocationsContent) error {
	for _, hash := range m.GetRemoved() {
		if len(hash) != len(entryHash{}) {
			return errUnknown
		}
	}
	version := m.GetVersion()
	if version < h.bundle || version < h.forgotten { // H10
		return nil
	}
	if m.GetAll() { // H11
		h.forget(version)
		return nil
	}
	for _, hash := range m.GetRemoved() { // H12
		h.tombstones[entryHash(hash)] = max(h.tombstones[entryHash(hash)], version)
		if _, held := h.content.entries[entryHash(hash)]; held {
			h.content.entries[entryHash(hash)] = nil
		}
	}
	h.latest = max(h.latest, version)
	if len(h.tombstones) > maxTombstones {
		h.forget(version)
		return nil
	}
	h.content.reindex()
	return nil
}
