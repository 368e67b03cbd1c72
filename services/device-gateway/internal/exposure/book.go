package exposure

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"golang.org/x/sync/errgroup"
)

// Exposure is a lock that may decide alone from something that was taken away since.
type Exposure struct {
	Device, Door string
	// Until is when that ends; the zero time: when the lock is back.
	Until time.Time
}

// Copy is what the book needs of the access state. access.Copy is one.
type Copy interface {
	Head(org, source string) (version int64, following bool)
	Reached(org, source string) []access.Reached
	Revoked(org string) []string
	AllTakenAway(org, door string) map[string]int64
	OfflineRule(org, door string) *permissionsv1.OfflineRule
	Stamp(org, door string) uint64
	Bundle(device string, at time.Time) (access.OfflineBundle, bool)
	Device(id string) (d access.Device, known, removed bool)
}

// States has the records of what locks may hold. bundlestate.Store is one.
type States interface {
	Settle(ctx context.Context) error
	Known(d bundlestate.Device) (bundlestate.Record, error)
	Read(ctx context.Context, d bundlestate.Device) (bundlestate.Record, error)
	Devices(org string) []string
	Changed() <-chan struct{}
}

// Book answers; all fields are required.
type Book struct {
	Copy    Copy
	States  States
	Regions *region.Map
	Own     region.Region
	Now     func() time.Time

	verified verified
	silent   silent
}

// readsAtOnce is how many records of another region are read at a time.
const readsAtOnce = 32

// clockMargin is for how long after its end an exposure still counts: locks' clocks are not the gateway's.
const clockMargin = time.Minute

// asked is a commit in the terms of the copy.
type asked struct {
	org, source string
	version     int64
}

func askedOf(token *typev1.ConsistencyToken) asked {
	return asked{token.GetOrgId(), token.GetService() + "." + token.GetRegion(), token.GetVersion()}
}

// Has says whether the copy has a commit and knows what has changed since it was loaded: only then After can be asked.
func (b *Book) Has(token *typev1.ConsistencyToken) bool {
	a := askedOf(token)
	version, following := b.Copy.Head(a.org, a.source)
	return following && version >= a.version
}

// After are the locks that are exposed to what commits up to a token's ended. Ask it when all gateways have applied the token and Has is
// true. It waits, until a moment, for those that may confirm, but not for one that was waited for in vain since it was last given
// something. Errors: the records of a region cannot be read.
func (b *Book) After(ctx context.Context, token *typev1.ConsistencyToken, until time.Time, may func(device string) bool) ([]Exposure, error) {
	a := askedOf(token)
	if err := b.States.Settle(ctx); err != nil {
		return nil, err
	}
	began, candidates := time.Now(), b.candidates(a)
	for {
		changed := b.States.Changed()
		found, err := b.look(ctx, candidates, a)
		if err != nil {
			return nil, err
		}
		var left []candidate
		var exposures []Exposure
		waiting := false
		for i, e := range found {
			if e == nil {
				continue
			}
			c := candidates[i]
			left, exposures = append(left, c), append(exposures, e.Exposure)
			waiting = waiting || may(c.of.ID) && !b.silent.since(c.of.ID, e.revision)
		}
		if !waiting || !b.pause(ctx, left, changed, until) {
			if time.Since(began) >= silentAfter {
				b.silent.note(found, candidates)
			}
			return exposures, nil
		}
		candidates = left
	}
}

// elsewherePause is how often records of another region are read again while they are waited for.
const elsewherePause = 20 * time.Millisecond

// pause waits until the records may have changed; false: the time is up.
func (b *Book) pause(ctx context.Context, left []candidate, changed <-chan struct{}, until time.Time) bool {
	wait := time.Until(until)
	for _, c := range left {
		if c.of.Home != b.Own.Name {
			wait = min(wait, elsewherePause)
			break
		}
	}
	if !time.Now().Before(until) || ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
		return true
	case <-timer.C:
		return time.Now().Before(until)
	case <-ctx.Done():
		return false
	}
}

// candidate is a device that may be exposed.
type candidate struct {
	of    bundlestate.Device
	door  string // where it is; empty: it was revoked
	taken int64
	rule  *permissionsv1.OfflineRule
}

// candidates are the devices at doors where something may have been taken away, and those that were revoked: what they hold stays.
func (b *Book) candidates(a asked) []candidate {
	var all []candidate
	served := map[string]bool{}
	for _, r := range b.Copy.Reached(a.org, a.source) {
		served[r.Device] = true
		if home, err := b.Regions.Home(region.ID(r.Device)); err == nil && (r.Taken > 0 || len(b.Copy.AllTakenAway(a.org, r.Door)) > 0) {
			all = append(all, candidate{bundlestate.Device{Home: home.Name, Org: a.org, ID: r.Device}, r.Door, r.Taken, r.Rule})
		}
	}
	for _, of := range b.unserved(a.org, func(id string) bool { return served[id] }) {
		all = append(all, candidate{of: of})
	}
	return all
}

// unserved are the devices of an organization that are not served and of which there may be a record: those in the own region's bucket,
// and those of other regions that were revoked.
func (b *Book) unserved(org string, served func(id string) bool) []bundlestate.Device {
	var all []bundlestate.Device
	for _, id := range b.States.Devices(org) {
		if !served(id) {
			all = append(all, bundlestate.Device{Home: b.Own.Name, Org: org, ID: id})
		}
	}
	for _, id := range b.Copy.Revoked(org) {
		if home, err := b.Regions.Home(region.ID(id)); err == nil && home.Name != b.Own.Name && !served(id) {
			all = append(all, bundlestate.Device{Home: home.Name, Org: org, ID: id})
		}
	}
	return all
}

// look says for each candidate how it is exposed; nil: not.
func (b *Book) look(ctx context.Context, candidates []candidate, a asked) ([]*seen, error) {
	found := make([]*seen, len(candidates))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readsAtOnce)
	for i, c := range candidates {
		if err := ctx.Err(); err != nil { // each may cost milliseconds, and nobody may wait any more
			return nil, context.Cause(ctx)
		}
		if c.of.Home == b.Own.Name {
			record, err := b.States.Known(c.of)
			if err != nil {
				return nil, err
			}
			found[i] = b.exposed(c, record, a)
			continue
		}
		g.Go(func() error {
			record, err := b.States.Read(ctx, c.of)
			if err != nil {
				return fmt.Errorf("what %s may hold: %w", c.of.ID, err)
			}
			found[i] = b.exposed(c, record, a)
			return nil
		})
	}
	return found, g.Wait()
}

// exposed judges one device by its record. One that has not confirmed the end of something else is exposed, too: what it holds is of before
// that, and the commit may have ended another part of the same right, e.g. the card of a grant that had ended. Here nothing more was taken
// away by it, there it was.
func (b *Book) exposed(c candidate, record bundlestate.Record, a asked) *seen {
	s := record.State
	if record.Revision == 0 {
		s = bundlestate.Missing(c.of.ID, record.Began, bundlestate.RuleOf(c.rule))
	}
	if !bundlestate.Holds(s, b.Now().Add(-clockMargin)) {
		return nil
	}
	e := &seen{Exposure{Device: c.of.ID, Door: s.GetDoorId(), Until: bundlestate.Until(s)}, record.Revision}
	if e.Door == "" {
		e.Door = c.door
	}
	if c.door == "" || e.Door != c.door { // what it holds is of a door where it is not served any more
		return e
	}
	has := s.GetAsOf()[a.source]
	if has >= a.version || has >= c.taken && !b.stale(a.org, c.door, s) || b.same(c, record) {
		return nil
	}
	return e
}

// verified remembers for which records it was found that nothing has changed for the lock, by device.
type verified struct {
	mu   sync.Mutex
	last map[string]checked // guarded by mu
}

type checked struct {
	revision, stamp uint64
	same            bool
}

// same says whether what the lock confirmed is what would be compiled for it now, so that nothing of it was taken away.
func (b *Book) same(c candidate, record bundlestate.Record) bool {
	s := record.State
	if !bundlestate.Confirmed(s) || len(s.GetHash()) == 0 {
		return false
	}
	stamp := b.Copy.Stamp(c.of.Org, c.door)
	b.verified.mu.Lock()
	known := b.verified.last[c.of.ID]
	b.verified.mu.Unlock()
	if known.revision == record.Revision && known.stamp == stamp && stamp != 0 {
		return known.same
	}
	then, ok := b.Copy.Bundle(c.of.ID, time.UnixMilli(int64(s.GetIssuedAtMs())))
	if !ok || !then.Allowed || then.Stamp == 0 {
		return false
	}
	same := bytes.Equal(then.Content.Hash[:], s.GetHash()) && then.NotAfter.UnixMilli() == int64(s.GetNotAfterMs())
	b.verified.mu.Lock()
	defer b.verified.mu.Unlock()
	if b.verified.last == nil {
		b.verified.last = map[string]checked{}
	}
	b.verified.last[c.of.ID] = checked{record.Revision, then.Stamp, same}
	return same
}

// stale says whether anything may have been taken away since what the device may hold was made.
func (b *Book) stale(org, door string, s *gatewayv1.BundleState) bool {
	for source, version := range b.Copy.AllTakenAway(org, door) {
		if s.GetAsOf()[source] < version {
			return true
		}
	}
	return false
}
