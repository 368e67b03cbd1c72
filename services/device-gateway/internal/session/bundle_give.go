package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
)

// give gives the lock what it lacks of what was compiled. errChanged: that does not hold any more, compile again.
func (v *visit) give(ctx context.Context, now access.OfflineBundle) error {
	switch {
	case !v.lane.capable:
		return v.incapable(ctx)
	case !now.Allowed:
		return v.takeAll(ctx)
	case v.lane.held == nil:
		return v.giveWhole(ctx, now)
	default:
		return v.giveRest(ctx, now)
	}
}

// incapable notes of a lock that cannot decide alone that it does not.
func (v *visit) incapable(ctx context.Context) error {
	s := v.lane.record.State
	if v.lane.had > 0 || !bundlestate.Holds(s, v.now) {
		return nil
	}
	next := bundlestate.GiveRevocations(s, s.GetVersion()+1, v.Gateway)
	return v.write(ctx, bundlestate.ConfirmNone(next, next.GetVersion()))
}

// takeAll makes the lock forget its bundle.
func (v *visit) takeAll(ctx context.Context) error {
	l := v.lane
	if slices.ContainsFunc(l.revoked, func(g *given) bool { return g.all }) {
		return nil
	}
	if v.now.Before(l.resume) {
		v.until(l.resume)
		return nil
	}
	s := l.record.State
	if l.bundle == nil && l.held == nil && l.had == 0 && !bundlestate.Holds(s, v.now) {
		return nil
	}
	return v.revoke(ctx, &given{all: true})
}

// giveWhole gives everything. While a whole one is on its way, only what went since; while revocations are, nothing: their answer brings
// us back.
func (v *visit) giveWhole(ctx context.Context, now access.OfflineBundle) error {
	l := v.lane
	switch {
	case l.bundle != nil:
		return v.revokeFrom(ctx, now, l.bundle.lacking(now.Content), false)
	case len(l.revoked) > 0:
		return nil
	}
	return v.giveBundle(ctx, now, nil)
}

// giveRest gives the difference to what the lock holds: first what goes, then, when that is confirmed, what is new or has changed.
func (v *visit) giveRest(ctx context.Context, now access.OfflineBundle) error {
	l := v.lane
	// The lock's content has the windows of its own time: only what is compiled for the same time can be compared.
	then := now
	if !l.held.Issued.Equal(now.IssuedAt) {
		var ok bool
		if then, ok = v.Source.Bundle(v.session.deviceID, l.held.Issued); !ok || !then.Allowed || then.Stamp != now.Stamp {
			return errChanged
		}
	}
	added, removed := bundle.Difference(l.held.entries, then.Content)
	sameDoor := sha256.Sum256(then.Content.Door) == l.held.door && then.NotAfter.Equal(l.held.NotAfter) && then.KeepsGoing == l.held.KeepsGoing
	if err := v.revokeFrom(ctx, then, union(removed, l.bundle.lackingOrNone(then.Content)), sameDoor); err != nil {
		return err
	}
	switch {
	case l.bundle != nil || len(l.revoked) > 0: // its answer brings us back
		return nil
	case len(added) > 0 || !sameDoor || !bundlestate.Confirmed(l.record.State):
		return v.giveBundle(ctx, now, l.held)
	}
	return v.keep(ctx, now, then)
}

// keep leaves the lock what it has, since it is what it should have, until it is time to renew it. Where others could think that it lacks
// something, it is noted that it does not.
func (v *visit) keep(ctx context.Context, now, then access.OfflineBundle) error {
	l := v.lane
	if at := refreshAt(l.held.Content); v.now.Before(at) {
		v.until(at)
	} else {
		return v.giveBundle(ctx, now, l.held)
	}
	for source, version := range v.Source.AllTakenAway(v.session.device.Org, v.session.device.Door) {
		if as := l.record.State.GetAsOf()[source]; as < version && as < then.Heads[source] {
			return v.write(ctx, bundlestate.Raise(l.record.State, then.Heads))
		}
	}
	return nil
}

func (v *visit) until(at time.Time) { v.later(at.Sub(v.now)) }

// revokeFrom takes entries out of whatever the lock holds or will hold. now is without them. sameDoor: otherwise it is as now.
func (v *visit) revokeFrom(ctx context.Context, now access.OfflineBundle, removed []entryHash, sameDoor bool) error {
	for _, g := range v.lane.revoked {
		removed = slices.DeleteFunc(removed, func(e entryHash) bool { return g.all || slices.Contains(g.removed, e) })
	}
	for chunk := range slices.Chunk(removed, bundle.MaxRemoved) {
		if len(v.lane.revoked) >= maxRevocationsOut { // the next answer brings us back
			return nil
		}
		g := &given{removed: chunk, settles: sameDoor && len(removed) <= bundle.MaxRemoved && v.lane.bundle == nil}
		g.Heads = now.Heads
		if err := v.revoke(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// revoke notes revocations and sends them. It does not look whether the door has changed since: what goes may go.
func (v *visit) revoke(ctx context.Context, g *given) error {
	l, s := v.lane, v.lane.record.State
	g.version, g.at = s.GetVersion()+1, v.now
	m, err := v.Signer.Revocations(bundle.Revocations(v.session.deviceID, g.version, g.removed, g.all))
	if err != nil {
		return err
	}
	if err := v.write(ctx, bundlestate.GiveRevocations(s, g.version, v.Gateway)); err != nil {
		return err
	}
	l.revoked = append(l.revoked, g)
	l.await(g.version)
	v.sendRevocations(m)
	return nil
}

// giveBundle notes a bundle, looks whether it is still true, and sends it. base: what the lock holds; nil: it gets the whole.
func (v *visit) giveBundle(ctx context.Context, now access.OfflineBundle, base *held) error {
	l, s := v.lane, v.lane.record.State
	if free := latest(l.resume, l.gaveAt.Add(bundleSpacing)); v.now.Before(free) {
		v.until(free)
		return nil
	}
	if l.sendingStill() {
		v.later(bundleRetry)
		return nil
	}
	g := &given{held: contentOf(now), at: v.now}
	g.version = s.GetVersion() + 1
	m, err := v.signed(g.version, now, base)
	if errors.Is(err, bundle.ErrTooLarge) {
		return v.tooLarge(ctx, err, base)
	}
	if err != nil {
		return err
	}
	if err := v.write(ctx, bundlestate.Give(s, g.version, g.Content, v.Gateway, v.session.device.Door)); err != nil {
		return err
	}
	v.moment(v.session.deviceID, BundleNoted, len(g.entries))
	if v.Source.Stamp(v.session.device.Org, v.session.device.Door) != now.Stamp {
		return errChanged // nobody gets it; that it was noted does no harm
	}
	l.bundle, l.gaveAt = g, v.now
	l.await(g.version)
	v.sendBundle(m, len(g.entries))
	return nil
}

// signed is a bundle, as a difference to what the lock holds if that is known. Errors wrap bundle.ErrTooLarge.
func (v *visit) signed(version uint64, now access.OfflineBundle, base *held) (*lockwirev1.Bundle, error) {
	if err := now.Content.Check(); err != nil {
		return nil, err
	}
	header := bundle.Header{DeviceID: v.session.deviceID, Version: version, IssuedAt: now.IssuedAt, NotAfter: now.NotAfter}
	if base != nil {
		return v.Signer.Bundle(bundle.Delta(header, base.version, base.entries, now.Content))
	}
	return v.Signer.Bundle(bundle.Full(header, now.Content))
}

// tooLarge: the lock keeps what it has, but for what goes. When nobody knows what it has, nothing can be taken out of that: it forgets
// all, and admits nobody alone.
func (v *visit) tooLarge(ctx context.Context, why error, base *held) error {
	var err error
	if base == nil {
		err = v.takeAll(ctx)
	}
	v.lane.resume = v.now.Add(bundleRetryMax)
	v.until(v.lane.resume)
	v.hub.cfg.Logger.ErrorContext(ctx, "a door's bundle is larger than a lock takes", "device", v.session.deviceID, "keeps what it has", base != nil, "error", why)
	return err
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func union(a, b []entryHash) []entryHash {
	return bundle.SortHashes(append(slices.Clone(a), b...))
}

// lackingOrNone is lacking of what is on its way, if anything is.
func (g *given) lackingOrNone(c bundle.Content) []entryHash {
	if g == nil {
		return nil
	}
	return g.lacking(c)
}

// pauseAfter is how long a lock that refused so often is left in peace.
func pauseAfter(refusals int) time.Duration {
	return min(bundleRetry<<min(refusals, 10), bundleRetryMax)
}
