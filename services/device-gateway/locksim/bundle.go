package locksim

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim/offline"
)

// joinedLimit is the largest message in parts that the lock takes: a Bundle with its signature and chain.
const joinedLimit = bundle.MaxSigned + 1<<16

// defaultUnlock is how long the lock unlocks when it decides alone and the bundle does not say.
const defaultUnlock = 5 * time.Second

// openBundle reads the bundle that the flash has. One that is not whole counts as none: the gateway sends another.
func (l *Lock) openBundle() {
	l.holder = offline.New(l.flash.DeviceID, l.roots)
	if l.flash.Bundle == nil {
		return
	}
	holder, err := offline.Load(l.flash.DeviceID, l.roots, l.flash.Bundle)
	if err != nil {
		l.cfg.Logger.Error("lock: forgets its bundle", "device", l.flash.DeviceID, "error", err)
		return
	}
	l.holder = holder
}

// sayBundle tells in Hello what the lock holds. mu is held.
func (l *Lock) sayBundle(h *lockwirev1.Hello) {
	if l.cfg.NoBundle {
		return
	}
	h.Capabilities = append(h.Capabilities, "bundle")
	h.BundleVersion, h.BundleHash = l.holder.Version(), l.holder.Hash()
}

func (k *link) bundle(m *lockwirev1.Bundle) error {
	return k.hold(func(h *offline.Holder, now time.Time) *lockwirev1.BundleAck { return h.Apply(m, now) })
}

func (k *link) revocations(m *lockwirev1.Revocations) error {
	return k.hold(func(h *offline.Holder, now time.Time) *lockwirev1.BundleAck { return h.Revoke(m, now) })
}

// hold changes the bundle and answers once it is in the store. When the store fails the lock keeps the one it has, and answers
// nothing: the session ends, and the gateway tries again.
func (k *link) hold(change func(*offline.Holder, time.Time) *lockwirev1.BundleAck) error {
	l := k.lock
	l.mu.Lock()
	ack := change(l.holder, l.now())
	if ack.GetApplied() {
		if err := l.keep(); err != nil {
			l.openBundle()
			l.mu.Unlock()
			return err
		}
	}
	l.broadcast()
	l.mu.Unlock()
	return k.write(ack)
}

// keep writes the bundle into the store. mu is held.
func (l *Lock) keep() error {
	before := l.flash.Bundle
	b, err := l.holder.Save()
	if err == nil {
		l.flash.Bundle = b
		err = l.flash.save(l.cfg.Store, &l.mu)
	}
	if err != nil {
		l.flash.Bundle = before
	}
	return err
}

// decideAlone decides from the bundle when no gateway did, and notes it in the event. mu is held.
func (l *Lock) decideAlone(p Presented, result *Result, event *lockwirev1.Event) {
	presented := offline.Presented{Card: p.Card, PIN: p.PIN, Proof: p.Proof}
	d, ok := l.holder.Decide(l.offlineClock(), presented)
	if !ok {
		return
	}
	event.Offline, event.Outcome, event.Reason = true, d.Outcome, uint32(d.Reason)
	event.CredentialId, event.PersonId, event.BundleVersion = d.CredentialID, d.PersonID, d.BundleVersion
	result.Offline, result.Granted, result.Reason, result.Feedback = true, d.Granted(), uint32(d.Reason), d.Feedback(presented)
	if d.Granted() {
		result.UnlockFor = defaultUnlock
		if d.UnlockMs != 0 {
			result.UnlockFor = time.Duration(d.UnlockMs) * time.Millisecond
		}
	}
}

func (l *Lock) offlineClock() offline.Clock {
	ms, quality := l.clock()
	return offline.Clock{
		UnixMs: ms, Set: quality != lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET, UptimeMs: uint64(time.Since(l.booted).Milliseconds()),
	}
}

// BundleVersion is the version of the bundle that the lock holds; 0: none.
func (l *Lock) BundleVersion() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder.Version()
}

// BundleHash is the hash of what the lock holds; empty: nothing.
func (l *Lock) BundleHash() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder.Hash()
}

// BundleTombstones is how many entries the lock does not let into its bundle, since they were revoked.
func (l *Lock) BundleTombstones() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder.Tombstones()
}
