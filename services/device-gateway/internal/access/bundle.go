package access

import (
	"maps"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/policy"
)

// OfflineBundle is what the locks of a door may decide alone, from the facts of one moment.
type OfflineBundle struct {
	// Allowed: the door has an OfflineRule. Without it the locks of the door hold no bundle, and of the rest only Heads is set.
	Allowed bool
	Content bundle.Content
	// IssuedAt is the moment that was asked for, NotAfter the end of the staleness budget; both whole minutes, rounded down.
	IssuedAt, NotAfter time.Time
	// KeepsGoing: a lock may open for somebody after NotAfter, so that its exposure has no end: the door keeps going, or has an
	// emergency list with somebody on it.
	KeepsGoing bool
	// Heads are the versions of the device's organization from which it was compiled, by `<service>.<region>`.
	Heads map[string]int64
	// Stamp is Copy.Stamp of the door then; while that is the same, so is what would be compiled.
	Stamp uint64
}

// maxBudget bounds a staleness budget, as the contract of OfflineRule does.
const maxBudget = 30 * 24 * time.Hour

// Bundle compiles what the locks of a device's door may decide alone, as if it were the moment at, from the facts of now: the
// same facts and minute give the same bytes. false: nothing can be said now, and the lock keeps what it has: the device is not
// known, or the copy is too old or not whole.
//
// It holds the Copy's lock only to gather the facts. It costs about as much as it has entries (see BenchmarkBundle).
func (c *Copy) Bundle(deviceID string, at time.Time) (OfflineBundle, bool) {
	b := OfflineBundle{IssuedAt: at.UTC().Truncate(time.Minute)}
	facts, ok := c.gather(deviceID, at, &b)
	if !ok || !b.Allowed {
		return b, ok
	}
	var err error
	if b.Content, err = facts.content(b.IssuedAt, b.NotAfter); err != nil {
		c.cfg.Logger.Error("access: a bundle cannot be made; the lock keeps what it has", "device", deviceID, "error", err)
		return OfflineBundle{}, false
	}
	after := afterBudget(facts.door.offline)
	b.KeepsGoing = after == lockwirev1.AfterBudget_AFTER_BUDGET_KEEP_GOING ||
		after == lockwirev1.AfterBudget_AFTER_BUDGET_EMERGENCY_LIST && slices.ContainsFunc(facts.carriers, func(c carrier) bool { return c.emergency })
	return b, true
}

// gather fills in all of b but the content.
func (c *Copy) gather(deviceID string, at time.Time, b *OfflineBundle) (gathered, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	dev, known := c.devices.byID[deviceID]
	o := c.organizations[dev.Org]
	if !known || o == nil || c.tooOld(at) || !c.complete(&question{device: dev, org: o}) {
		return gathered{}, false
	}
	b.Heads, b.Stamp = maps.Clone(o.heads), c.stampHeld(o, policy.DoorID(dev.Door))
	d, ok := o.doors[policy.DoorID(dev.Door)]
	budget := min(d.offline.GetBudget().AsDuration(), maxBudget).Truncate(time.Minute)
	if !ok || budget <= 0 {
		return gathered{}, true
	}
	b.Allowed, b.NotAfter = true, b.IssuedAt.Add(budget)
	return o.gather(d, b.IssuedAt), true
}
