package access

import (
	"context"
	"slices"
	"strings"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// permissionsService is the service whose version a decision names.
const permissionsService = "permissions"

// Verdict is what was decided about what was presented.
type Verdict struct {
	Decision *permissionsv1.Decision
	// Person and Credential are empty when the credential is not known.
	Person, Credential string
	// UnlockFor is the door's; only for a grant.
	UnlockFor time.Duration
}

// Granted says whether the door opens.
func (v Verdict) Granted() bool {
	return v.Decision.GetOutcome() == permissionsv1.Outcome_OUTCOME_GRANTED
}

// tooOld: the copy's age counts from when it was last known to be what the broker has, and no later than what the register
// was told, since the register stops counting this gateway by that. Without it a gateway whose region is cut off, with a
// broker of its own that says nothing new, would go on opening doors after a revocation was answered as enforced.
func (c *Copy) tooOld(at time.Time) bool {
	asOf := c.asOf
	if c.cfg.Told != nil {
		if told := c.cfg.Told(); told.Before(asOf) {
			asOf = told
		}
	}
	return asOf.IsZero() || at.Sub(asOf) > c.cfg.MaxAge
}

func (q *question) verdict() Verdict {
	d := q.decision
	v := Verdict{Person: q.who.person, Credential: q.who.credential, Decision: &permissionsv1.Decision{
		Outcome: permissionsv1.Outcome(d.Outcome), Reason: permissionsv1.DecisionReason(d.Reason),
		GrantId: string(d.Grant), ScheduleId: string(d.Schedule), Revision: q.revision,
		LockdownId: string(d.Lockdown), ZoneId: string(d.Zone), Warning: permissionsv1.DecisionReason(d.Warning),
	}}
	if v.Granted() {
		v.UnlockFor = q.unlockFor
	}
	return v
}

// revision is the version of the permissions that the decision was made from, in the door's home.
func (c *Copy) revision(dev Device, o *organization) *typev1.ConsistencyToken {
	home, err := c.cfg.Regions.Home(region.ID(dev.Door))
	if err != nil || o == nil {
		return nil
	}
	return &typev1.ConsistencyToken{
		Service: permissionsService, Region: string(home.Name), OrgId: dev.Org, Version: o.heads[permissionsService+"."+string(home.Name)],
	}
}

// Ready says whether the copy was ever loaded whole; before that nothing is known about devices.
func (c *Copy) Ready() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return !c.asOf.IsZero()
}

// AsOf is when the copy was last known to be what the broker has; zero: never.
func (c *Copy) AsOf() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.asOf
}

// Device returns an enrolled device. removed: it is known to have been revoked.
func (c *Copy) Device(id string) (d Device, known, removed bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d, known = c.devices.byID[id]
	_, removed = c.revoked[id]
	return d, known, !known && removed
}

// DevicesOf returns the devices of a door; a door has few.
func (c *Copy) DevicesOf(org, door string) []Device {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.devices.at(org, door))
}

// UnlockFor is how long an unlock of a door lasts; false when the door is not known.
func (c *Copy) UnlockFor(org, doorID string) (time.Duration, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if o := c.organizations[org]; o != nil {
		d, ok := o.doors[policy.DoorID(doorID)]
		return d.unlockFor, ok
	}
	return 0, false
}

// WaitSite returns the site of a door, waiting for as long as ctx lasts for one that was made a moment ago.
func (c *Copy) WaitSite(ctx context.Context, org, doorID string) (site string, ok bool) {
	for {
		c.mu.RLock()
		if o := c.organizations[org]; o != nil {
			site = o.doors[policy.DoorID(doorID)].site
		}
		changed := c.changed
		c.mu.RUnlock()
		if site != "" {
			return site, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

// WaitDevice waits for a device to be known with a key, by its hash, for as long as ctx lasts; then it returns what is known.
func (c *Copy) WaitDevice(ctx context.Context, id string, keyHash []byte) (d Device, known bool) {
	for {
		c.mu.RLock()
		d, known = c.devices.byID[id]
		changed := c.changed
		c.mu.RUnlock()
		if known && d.Accepts(keyHash) {
			return d, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return d, known
		}
	}
}

// Version is the version of an organization that was applied, in a service and home region; 0: none.
func (c *Copy) Version(org, service, home string) int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if o := c.organizations[org]; o != nil {
		return o.heads[service+"."+home]
	}
	return 0
}

// headOf reads the head in a record; false for any other key.
func headOf(key string, record *typev1.StateRecord, incarnation string) (Head, bool) {
	k, ok := parseKey(key)
	if !ok || k.kind != kindHead || record.GetRemoved() {
		return Head{}, false
	}
	service, home, _ := strings.Cut(k.id, ".")
	return Head{Org: k.org, Service: service, Region: home, Version: record.GetVersion(), Incarnation: incarnation}, true
}
