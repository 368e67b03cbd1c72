package access

import (
	"maps"
	"strings"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// touches are the changes at an organization's doors since the copy was loaded whole.
type touches struct {
	doors map[policy.DoorID]touch
	// floor is for all doors: what was before the load is not known, so it counts as a change of that moment.
	floor touch
	// unsettled are the doors that commits touched whose heads have not come, by source.
	unsettled map[string]map[policy.DoorID]struct{}
}

// touch is the last change at a door.
type touch struct {
	// stamp is the Copy's count of changes then.
	stamp uint64
	// taken is the version of the last change that may have taken something away, by source: `<service>.<region>`.
	taken map[string]int64
}

func newTouches() touches {
	return touches{doors: map[policy.DoorID]touch{}, unsettled: map[string]map[policy.DoorID]struct{}{}}
}

// change is one fact's, from before it until after it.
type change struct {
	copy      *Copy
	org       *organization
	reach     *reach
	takesAway bool
}

// begin looks at what a fact reaches while it is still there; nil: changes are not followed yet. mu is held until end.
func (c *Copy) begin(o *organization, old, next fact) *change {
	if !c.following || old == nil && next == nil {
		return nil
	}
	ch := &change{copy: c, org: o, reach: newReach(o), takesAway: o.takesAway(old, next)}
	if old != nil {
		ch.reach.add(old)
	}
	if _, ok := next.(card); ok { // somebody else's may be found by the same digest until now
		ch.reach.add(next)
	}
	return ch
}

// end looks at what the fact that took its place reaches, and notes the change.
func (ch *change) end(k factKey, record *typev1.StateRecord, old, next fact) {
	if ch == nil {
		return
	}
	c, o := ch.copy, ch.org
	if next != nil { // through other zones and groups than before, perhaps
		again := newReach(o)
		again.add(next)
		maps.Copy(ch.reach.doors, again.doors)
	}
	ch.devices(old, next)
	if len(ch.reach.doors) == 0 {
		return
	}
	c.changes++
	settled := true
	sources := c.sources(o, k, record.GetVersion())
	for source, version := range sources {
		if version > o.heads[source] {
			settled = false
			o.touches.wait(source, ch.reach.doors)
		}
	}
	for id := range ch.reach.doors {
		o.touches.note(id, c.changes, ch.takesAway, sources)
		if settled {
			c.tell(k.org, id)
		}
	}
}

// devices: a device that comes to a door needs what the door's devices have.
func (ch *change) devices(facts ...fact) {
	for _, f := range facts {
		if d, ok := f.(device); ok {
			ch.reach.door(policy.DoorID(d.Door))
		}
	}
}

func (t *touches) wait(source string, doors map[policy.DoorID]struct{}) {
	if t.unsettled[source] == nil {
		t.unsettled[source] = map[policy.DoorID]struct{}{}
	}
	maps.Copy(t.unsettled[source], doors)
}

func (t *touches) note(id policy.DoorID, stamp uint64, takesAway bool, sources map[string]int64) {
	was := t.doors[id]
	now := touch{stamp: stamp, taken: was.taken}
	if takesAway {
		now.taken = make(map[string]int64, len(was.taken)+1) // readers may hold the old one
		maps.Copy(now.taken, was.taken)
		for source, version := range sources {
			now.taken[source] = max(now.taken[source], version)
		}
	}
	t.doors[id] = now
}

// headCame tells of the doors that commits up to a head touched: only now a bundle can be made of which it is known that it has them.
func (c *Copy) headCame(org string, o *organization, source string) {
	doors := o.touches.unsettled[source]
	delete(o.touches.unsettled, source)
	for id := range doors {
		c.tell(org, id)
	}
}

// serviceOf is which service commits a kind of fact.
func serviceOf(kind string) string {
	switch kind {
	case "credential", "digest_key":
		return "identity"
	case "device":
		return "device-gateway"
	default:
		return permissionsService
	}
}

// sources says which `<service>.<region>` may have committed a fact's change, and the version there. Facts about what has its home across
// the border are committed by the region that receives; which one that is the fact does not tell, but its head is not there yet. A
// change without a version was found missing when the bucket was loaded: its commit is one of those up to the heads.
func (c *Copy) sources(o *organization, k factKey, version int64) map[string]int64 {
	service := serviceOf(k.kind)
	id, _, _ := strings.Cut(k.id, "-") // a membership is `<group>-<member>`, of the group's home
	home, err := c.cfg.Regions.Home(region.ID(id))
	if err == nil && (c.cfg.Jurisdiction == "" || home.Jurisdiction == c.cfg.Jurisdiction) {
		source := service + "." + string(home.Name)
		if version == 0 {
			version = o.heads[source]
		}
		return map[string]int64{source: version}
	}
	coming, heads := map[string]int64{}, map[string]int64{}
	regions := c.cfg.Regions.In(c.cfg.Jurisdiction)
	if c.cfg.Jurisdiction == "" {
		regions = c.cfg.Regions.All()
	}
	for _, r := range regions {
		source := service + "." + string(r.Name)
		heads[source] = o.heads[source]
		if heads[source] < version {
			coming[source] = version
		}
	}
	if len(coming) == 0 {
		return heads
	}
	return coming
}

// follow begins to follow changes: the copy is whole. What was before is one change of all doors. mu is held.
func (c *Copy) follow() {
	if c.following {
		return
	}
	c.following = true
	c.changes++
	for _, o := range c.organizations {
		o.touches.floor = touch{stamp: c.changes, taken: maps.Clone(o.heads)}
	}
	c.halfLoaded()
	for id := range c.devices.byID {
		c.touched.add(id)
	}
	c.touched.ring()
}

// halfLoaded notes commits of which the load brought facts, and not yet the head: what they took away is out of the copy already, and
// nobody saw it go. mu is held.
func (c *Copy) halfLoaded() {
	for key, h := range c.records {
		k, known := parseKey(key)
		if !known || k.kind == kindHead {
			continue
		}
		o := c.organizations[k.org]
		for source, version := range c.sources(o, k, h.record.GetVersion()) {
			if version <= o.heads[source] || version <= o.touches.floor.taken[source] {
				continue
			}
			o.touches.floor.taken[source] = version
			doors := map[policy.DoorID]struct{}{}
			for id := range c.devices.byOrg[k.org] {
				doors[policy.DoorID(c.devices.byID[id].Door)] = struct{}{}
			}
			o.touches.wait(source, doors)
		}
	}
}

// tell notes the devices of a touched door for whoever follows them.
func (c *Copy) tell(org string, id policy.DoorID) {
	devices := c.devices.at(org, string(id))
	for _, d := range devices {
		c.touched.add(d.ID)
	}
	if len(devices) > 0 {
		c.touched.ring()
	}
}

// Stamp rises with each change that may concern a door; 0: nothing is known of its changes.
func (c *Copy) Stamp(org, door string) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if o := c.organizations[org]; o != nil {
		return c.stampHeld(o, policy.DoorID(door))
	}
	return 0
}

// stampHeld is Stamp with mu held.
func (c *Copy) stampHeld(o *organization, id policy.DoorID) uint64 {
	if !c.following {
		return 0
	}
	return max(o.touches.doors[id].stamp, o.touches.floor.stamp)
}

// TakenAway is the version of the last commit of a source (`<service>.<region>`) that may have taken something away at a door, or was
// there when the copy was loaded; 0: none.
func (c *Copy) TakenAway(org, door, source string) int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	o := c.organizations[org]
	if o == nil {
		return 0
	}
	return max(o.touches.doors[policy.DoorID(door)].taken[source], o.touches.floor.taken[source])
}

// AllTakenAway is TakenAway for every source.
func (c *Copy) AllTakenAway(org, door string) map[string]int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	o := c.organizations[org]
	if o == nil {
		return nil
	}
	all := maps.Clone(o.touches.floor.taken)
	if all == nil {
		all = map[string]int64{}
	}
	for source, version := range o.touches.doors[policy.DoorID(door)].taken {
		all[source] = max(all[source], version)
	}
	return all
}
