package session

import (
	"bytes"
	"context"
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
)

// acked takes one answer of the lock.
func (v *visit) acked(ctx context.Context, ack *lockwirev1.BundleAck) error {
	l := v.lane
	if ack.GetApplied() {
		l.acked = max(l.acked, ack.GetVersion())
	}
	if l.bundle != nil && l.bundle.version == ack.GetVersion() {
		g := l.bundle
		l.bundle = nil
		return v.bundleAcked(ctx, g, ack)
	}
	i := slices.IndexFunc(l.revoked, func(g *given) bool { return g.version == ack.GetVersion() })
	if i < 0 {
		return nil // of before it was started over
	}
	g := l.revoked[i]
	l.revoked = slices.Delete(l.revoked, i, i+1)
	return v.revocationsAcked(ctx, g, ack)
}

// bundleAcked: from now on the lock holds the bundle, without what later revocations took out of it that it has confirmed.
func (v *visit) bundleAcked(ctx context.Context, g *given, ack *lockwirev1.BundleAck) error {
	l := v.lane
	if !ack.GetApplied() {
		v.refused(ctx, ack)
		return nil
	}
	if !bytes.Equal(ack.GetHash(), g.Hash[:]) {
		v.refused(ctx, ack) // it applied it onto something else
		return nil
	}
	l.refusals = 0
	h := g.held
	h.version = l.acked // of revocations that overtook it, perhaps
	l.hold(&h)
	return v.write(ctx, bundlestate.Confirm(l.record.State, l.acked, h.Content))
}

// revocationsAcked: the lock holds nothing of that any more, and will not when it applies the bundle that is on its way.
func (v *visit) revocationsAcked(ctx context.Context, g *given, ack *lockwirev1.BundleAck) error {
	l := v.lane
	switch {
	case !ack.GetApplied():
		v.refused(ctx, ack)
		return nil
	case g.all:
		return v.allTaken(ctx, g)
	}
	if l.bundle != nil {
		without := l.bundle.without(g.removed)
		l.bundle.held = without
	}
	if l.held == nil {
		return nil
	}
	h := l.held.without(g.removed)
	h.version = l.acked
	if !bytes.Equal(ack.GetHash(), h.Hash[:]) {
		if l.bundle == nil {
			v.startOver()
		}
		return nil
	}
	l.hold(&h)
	if l.bundle != nil || len(l.revoked) > 0 {
		return nil // what is on its way counts, too: its own answer is noted
	}
	content := h.Content
	content.Heads = l.record.State.GetAsOf()
	if g.settles {
		content.Heads = g.Heads
	}
	return v.write(ctx, bundlestate.Confirm(l.record.State, g.version, content))
}

// allTaken: the lock held nothing when it confirmed, unless it has confirmed since what it was given later.
func (v *visit) allTaken(ctx context.Context, g *given) error {
	l := v.lane
	if l.had = 0; l.acked > g.version {
		return nil
	}
	l.hold(nil)
	if l.bundle != nil {
		return nil
	}
	return v.write(ctx, bundlestate.ConfirmNone(l.record.State, g.version))
}

// refused: the lock gets the whole, soon where it lacked the base, else after a growing pause.
func (v *visit) refused(ctx context.Context, ack *lockwirev1.BundleAck) {
	l := v.lane
	v.startOver()
	if l.refusals++; l.refusals == 1 && ack.GetProblem() == lockwirev1.BundleProblem_BUNDLE_PROBLEM_BASE {
		return
	}
	l.resume = v.now.Add(pauseAfter(l.refusals))
	v.hub.cfg.Logger.WarnContext(ctx, "a lock does not apply what it may decide alone", "device", v.session.deviceID,
		"version", ack.GetVersion(), "problem", ack.GetProblem().String(), "again at", l.resume)
}
