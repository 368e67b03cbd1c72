package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
)

// errChanged: the door changed while it was noted what its lock would be given.
var errChanged = errors.New("the door changes too fast")

// maxVisits is how often a bundle is made anew, in one look, because the door changed meanwhile.
const maxVisits = 8

// visit is one look at a lock.
type visit struct {
	*bundler
	session *session
	lane    *lane
	now     time.Time
}

// run takes answers and then gives what the lock lacks. An error means that nothing of what follows was given.
func (v *visit) run(ctx context.Context) error {
	l := v.lane
	l.next = time.Time{}
	if err := v.load(ctx); err != nil {
		return err
	}
	for _, ack := range l.takeAcks() {
		if err := v.acked(ctx, ack); err != nil {
			return err
		}
	}
	v.expire()
	for range maxVisits {
		b, ok := v.Source.Bundle(v.session.deviceID, v.now)
		if !ok || b.Stamp == 0 { // the copy is not whole: when it is, all are told
			v.later(bundleRetry)
			return nil
		}
		v.meet(b)
		v.moment(v.session.deviceID, BundleCompiled, len(b.Content.Entries))
		err := v.give(ctx, b)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return errChanged
}

// later has the lock looked at again, at the latest after a pause.
func (v *visit) later(pause time.Duration) {
	if at := v.now.Add(pause); v.lane.next.IsZero() || at.Before(v.lane.next) {
		v.lane.next = at
	}
}

func (v *visit) device() (bundlestate.Device, error) {
	home, err := v.Home(v.session.deviceID)
	return bundlestate.Device{Home: home, Org: v.session.device.Org, ID: v.session.deviceID}, err
}

// load reads what the gateways have noted, unless that is known from before.
func (v *visit) load(ctx context.Context) error {
	l := v.lane
	if l.stale.Swap(false) {
		l.lost = true
	}
	if l.known && !l.lost {
		return nil
	}
	d, err := v.device()
	if err != nil {
		return err
	}
	record, ok := v.States.Recall(d)
	if !ok || l.lost {
		if record, err = v.States.Read(ctx, d); err != nil {
			return err
		}
	}
	l.record = record
	org, door := v.session.device.Org, v.session.device.Door
	if rule := v.Source.OfflineRule(org, door); l.record.Revision == 0 {
		l.record.State = bundlestate.Missing(d.ID, l.record.Began, bundlestate.RuleOf(rule))
	}
	if l.top > l.record.State.GetVersion() { // what was noted about it is lost
		l.record.State = bundlestate.Forgotten(l.record.State, l.top, v.now)
	}
	l.known, l.lost = true, false
	return nil
}

// write notes what changes; a lost race ends the look, and the next one begins with what is there then.
func (v *visit) write(ctx context.Context, next *gatewayv1.BundleState) error {
	d, err := v.device()
	if err != nil {
		return err
	}
	record, err := v.States.Write(ctx, d, v.lane.record, next)
	if err != nil {
		return fmt.Errorf("note what the lock may hold: %w", err)
	}
	v.lane.record, v.lane.top = record, record.State.GetVersion()
	return nil
}

// meet finds out, once, what the lock holds: it says so, and if nothing has changed since, its entries are those of now.
func (v *visit) meet(now access.OfflineBundle) {
	l := v.lane
	if l.met {
		return
	}
	l.met = true
	s := l.record.State
	if !now.Allowed || l.had == 0 || l.had != s.GetAcknowledged() || !bytes.Equal(l.hadHash, s.GetHash()) {
		return
	}
	then, ok := v.Source.Bundle(v.session.deviceID, time.UnixMilli(int64(s.GetIssuedAtMs())))
	if !ok || !then.Allowed || !bytes.Equal(then.Content.Hash[:], s.GetHash()) {
		return
	}
	h := contentOf(then)
	h.version = l.had
	h.NotAfter = time.UnixMilli(int64(s.GetNotAfterMs()))
	l.hold(&h)
}

// expire gives up what the lock has not answered for too long: it gets the whole.
func (v *visit) expire() {
	l := v.lane
	late := func(g *given) bool { return g != nil && v.now.Sub(g.at) >= bundleAckTimeout }
	if late(l.bundle) || slices.ContainsFunc(l.revoked, late) {
		v.startOver()
	}
}

// await has the lock looked at when it should have answered.
func (v *visit) await() {
	for _, g := range append(slices.Clone(v.lane.revoked), v.lane.bundle) {
		if g != nil {
			v.later(g.at.Add(bundleAckTimeout).Sub(v.now))
		}
	}
}

// startOver forgets what the lock holds.
func (v *visit) startOver() {
	l := v.lane
	l.bundle, l.revoked = nil, nil
	l.hold(nil)
	l.mu.Lock()
	l.awaited = nil
	l.mu.Unlock()
}

// refreshAt is when a bundle is renewed though nothing has changed: when half of the budget is over, a tenth earlier or later, so that locks
// that were served together are not for ever.
func refreshAt(c bundlestate.Content) time.Time {
	half := c.NotAfter.Sub(c.Issued) / 2
	spread := int64(half / 5)
	if spread <= 0 {
		return c.Issued.Add(half)
	}
	return c.Issued.Add(half - half/10 + time.Duration(rand.Int64N(spread)))
}
