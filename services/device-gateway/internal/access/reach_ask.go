package access

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
)

// OfflineRule is what the locks of a door may decide alone; nil: nothing. It is not to be changed.
func (c *Copy) OfflineRule(org, door string) *permissionsv1.OfflineRule {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if o := c.organizations[org]; o != nil {
		return o.doors[policy.DoorID(door)].offline
	}
	return nil
}

// Head is the version of an organization that the copy has of a source: `<service>.<region>`. following: it also knows what has
// changed since it was loaded.
func (c *Copy) Head(org, source string) (version int64, following bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if o := c.organizations[org]; o != nil {
		version = o.heads[source]
	}
	return version, c.following
}

// Reached is a device, and what may have been taken away at its door.
type Reached struct {
	Device, Door string
	// Taken is the version of the last commit of the source that may have taken something away; 0: none.
	Taken int64
	// Rule is the door's; nil: none.
	Rule *permissionsv1.OfflineRule
}

// Reached are all devices of an organization that are served, in no order, with what commits of a source may have taken away.
func (c *Copy) Reached(org, source string) []Reached {
	c.mu.RLock()
	defer c.mu.RUnlock()
	o := c.organizations[org]
	if o == nil {
		return nil
	}
	floor := o.touches.floor.taken[source]
	all := make([]Reached, 0, len(c.devices.byOrg[org]))
	for id := range c.devices.byOrg[org] {
		door := policy.DoorID(c.devices.byID[id].Door)
		all = append(all, Reached{
			Device: id, Door: string(door), Taken: max(o.touches.doors[door].taken[source], floor), Rule: o.doors[door].offline,
		})
	}
	return all
}

// Gone says whether a device was revoked: there is no reaching it any more.
func (c *Copy) Gone(device string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, known := c.devices.byID[device]
	return !known
}

// Revoked are the devices of an organization that were revoked, as far as that is still known, in no order.
func (c *Copy) Revoked(org string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []string
	for id, of := range c.revoked {
		if of == org {
			all = append(all, id)
		}
	}
	return all
}
