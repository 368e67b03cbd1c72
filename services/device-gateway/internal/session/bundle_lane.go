package session

import (
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
)

type entryHash = [16]byte

// lane is what a session knows about its lock's bundle.
type lane struct {
	// capable: the lock can decide alone. had and hadHash are what it said in Hello that it holds.
	capable bool
	had     uint64
	hadHash []byte

	// The bundler's mu guards these: where the session is in its queues.
	queued, urgent, working, again, left bool
	due                                  date[*session]

	// stale: what was noted is lost.
	stale atomic.Bool

	mu   sync.Mutex
	acks []*lockwirev1.BundleAck // that nobody has looked at; guarded by mu
	// awaited are the versions that the lock has yet to answer; guarded by mu.
	awaited []uint64
	// view is for reports; guarded by mu.
	view held

	// The worker's that looks at the lock.
	met    bool
	known  bool   // record is what was read or written last
	lost   bool   // it is not: only the broker knows
	top    uint64 // the highest version that the lock may have
	acked  uint64 // the highest that it said that it applied
	record bundlestate.Record
	// held is what the lock confirmed; nil: not known, it needs the whole.
	held *held
	// bundle is on its way; nil: none. revoked are on their way.
	bundle  *given
	revoked []*given
	// sending: the goroutine that sends bundle has not ended. It closes it.
	sending  chan struct{}
	gaveAt   time.Time // the last bundle
	refusals int
	failures int // looks in a row that could not be finished
	// resume is until when the lock is left in peace, because it refused.
	resume time.Time
	next   time.Time // when to look again; zero: no need
}

// held is a content that a lock holds.
type held struct {
	version uint64
	bundlestate.Content
	door    [32]byte // SHA-256 of the door's bytes
	entries []entryHash
}

// given is what was sent and not answered.
type given struct {
	held
	// removed are the entries that revocations take out; all: they take out everything.
	removed []entryHash
	all     bool
	// settles: with them the lock holds what Heads say; the door is as it was.
	settles bool
	at      time.Time
}

func contentOf(b access.OfflineBundle) held {
	return held{
		Content: bundlestate.Content{
			Hash: b.Content.Hash, Issued: b.IssuedAt, NotAfter: b.NotAfter, KeepsGoing: b.KeepsGoing, Heads: b.Heads,
		},
		door: sha256.Sum256(b.Content.Door), entries: b.Content.EntryHashes(),
	}
}

// without is the content when entries are taken out.
func (h held) without(removed []entryHash) held {
	h.entries = slices.DeleteFunc(slices.Clone(h.entries), func(e entryHash) bool { return slices.Contains(removed, e) })
	h.Hash = hashOf(h.door, h.entries)
	return h
}

// hashOf is bundle.Hash where only the door's hash is known.
func hashOf(door [32]byte, entries []entryHash) [32]byte {
	h := sha256.New()
	h.Write(door[:])
	for i := range entries {
		h.Write(entries[i][:])
	}
	return [32]byte(h.Sum(nil))
}

// lacking are the entries of h that a content does not have.
func (h *held) lacking(c bundle.Content) []entryHash {
	if h == nil {
		return nil
	}
	_, removed := bundle.Difference(h.entries, c)
	return removed
}

// await notes that the lock is to answer a version.
func (l *lane) await(version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaited = append(l.awaited, version)
}

// answered takes an answer for the worker; false: nobody waits for it.
func (l *lane) answered(m *lockwirev1.BundleAck) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.awaited, m.GetVersion())
	if i < 0 {
		return false
	}
	l.awaited = slices.Delete(l.awaited, i, i+1)
	l.acks = append(l.acks, m)
	return true
}

func (l *lane) takeAcks() []*lockwirev1.BundleAck {
	l.mu.Lock()
	defer l.mu.Unlock()
	acks := l.acks
	l.acks = nil
	return acks
}

// hold notes what the lock holds; nil: not known.
func (l *lane) hold(h *held) {
	l.held = h
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.view = (held{}); h != nil {
		l.view = held{version: h.version, Content: h.Content}
	}
}

// beginBundles follows a lock whose session has opened.
func (s *session) beginBundles() {
	if s.lane != nil {
		s.hub.bundler.enqueue(s, false)
	}
}

// newLane is nil where no bundles are given at all.
func (s *session) newLane(hello *lockwirev1.Hello) *lane {
	if s.hub.bundler == nil {
		return nil
	}
	return &lane{
		capable: slices.Contains(hello.GetCapabilities(), capabilityBundle),
		had:     hello.GetBundleVersion(), hadHash: hello.GetBundleHash(), top: hello.GetBundleVersion(),
	}
}

// bundleAck takes a lock's answer; what it was not asked is passed over.
func (s *session) bundleAck(m *lockwirev1.BundleAck) {
	if s.lane != nil && s.lane.answered(m) {
		s.hub.bundler.enqueue(s, true)
	}
}

// bundleHeld is the version of the bundle that the lock confirmed, and until when it may be used; 0: none. The zero time: without end.
func (s *session) bundleHeld() (version uint64, until time.Time) {
	if s.lane == nil {
		return 0, time.Time{}
	}
	s.lane.mu.Lock()
	defer s.lane.mu.Unlock()
	if s.lane.view.version == 0 || s.lane.view.KeepsGoing {
		return s.lane.view.version, time.Time{}
	}
	return s.lane.view.version, s.lane.view.NotAfter
}
