package access

import (
	"bytes"

	"github.com/cardea-mesh/cardea/services/policy"
)

// reach is which doors' locks may decide otherwise because of a fact. It is never too small; it may be too large, e.g. it does not
// look at times.
type reach struct {
	org   *organization
	doors map[policy.DoorID]struct{}
	// met are the zones, groups and grants that were followed, so that circles end.
	zones  map[policy.ZoneID]bool
	groups map[policy.SubjectID]bool
	grants map[policy.GrantID]bool
}

func newReach(o *organization) *reach {
	return &reach{
		org: o, doors: map[policy.DoorID]struct{}{}, zones: map[policy.ZoneID]bool{},
		groups: map[policy.SubjectID]bool{}, grants: map[policy.GrantID]bool{},
	}
}

// add follows a fact that the organization holds. What it finds at different moments, before and after a change, adds up.
func (r *reach) add(f fact) {
	switch f := f.(type) {
	case door:
		r.door(f.ID)
	case zone:
		r.zone(f.ID)
	case brokenZone:
		r.zone(policy.ZoneID(f))
	case lockdown:
		r.target(f.target)
		for id := range r.org.links.doorsAt[policy.SiteID(f.target)] {
			r.door(id)
		}
	case membership:
		r.subject(policy.SubjectID(f.group), true)
	case grant:
		r.grant(f.Grant, true)
	case schedule:
		for id := range r.org.links.grantsBy[f.id] {
			r.grantOf(id, true)
		}
		for id := range r.org.links.doorsBy[f.id] {
			r.door(id)
		}
	case card:
		r.card(f)
	case pin:
		r.subject(policy.SubjectID(f.person), false)
	case digestKey:
		for id := range r.org.doors {
			r.door(id)
		}
	}
}

func (r *reach) door(id policy.DoorID) { r.doors[id] = struct{}{} }

// target is a door or a zone.
func (r *reach) target(id policy.TargetID) {
	if _, ok := r.org.doors[policy.DoorID(id)]; ok {
		r.door(policy.DoorID(id))
		return
	}
	r.zone(policy.ZoneID(id))
}

// zone is all doors of a zone, however deep.
func (r *reach) zone(id policy.ZoneID) {
	if r.zones[id] {
		return
	}
	r.zones[id] = true
	for d := range r.org.links.doorsIn[id] {
		r.door(d)
	}
	for inner := range r.org.links.zonesIn[id] {
		r.zone(inner)
	}
}

// subject is what a person or group may open, through all groups around it. shares: others got shares of it, too, and doors may wait for
// it or have it on their emergency list.
func (r *reach) subject(id policy.SubjectID, shares bool) {
	if r.groups[id] {
		return
	}
	r.groups[id] = true
	for g := range r.org.links.grantsTo[id] {
		r.grantOf(g, shares)
	}
	if shares {
		for d := range r.org.links.doorsNaming[id] {
			r.door(d)
		}
	}
	for _, around := range r.org.groups[id] {
		r.subject(policy.SubjectID(around), shares)
	}
}

func (r *reach) grantOf(id policy.GrantID, shares bool) {
	if g, ok := r.org.Grant(id); ok {
		r.grant(g, shares)
	}
}

func (r *reach) grant(g policy.Grant, shares bool) {
	if r.grants[g.ID] {
		return
	}
	r.grants[g.ID] = true
	r.target(g.Target)
	if !shares {
		return
	}
	for share := range r.org.links.sharesOf[g.ID] {
		r.grantOf(share, true)
	}
}

// card is what its person may open; and if another credential has the same digest, which of the two is found changes.
func (r *reach) card(c card) {
	r.subject(policy.SubjectID(c.person), false)
	for _, d := range c.digests {
		if other, ok := r.org.holders[d]; ok && other.person != c.person {
			r.subject(policy.SubjectID(other.person), false)
		}
	}
}

// takesAway says whether somebody may open less because a fact takes the place of another; nil: there is none. Where in doubt it does.
// It is asked before the change.
func (o *organization) takesAway(old, next fact) bool {
	switch next := next.(type) {
	case nil:
		_, lockdown := old.(lockdown) // its end forbids nothing
		_, device := old.(device)
		return old != nil && !lockdown && !device
	case membership, grant, pin, digestKey:
		return old != nil && !same(old, next)
	case card:
		return old != nil && !same(old, next) || o.collides(next)
	case door:
		return old != nil // a door that was not known opened for nobody
	case device:
		return false
	default: // lockdowns, zones, schedules
		return true
	}
}

// same: the fact was only written again.
func same(old, next fact) bool {
	switch a := old.(type) {
	case membership:
		b, ok := next.(membership)
		return ok && a == b
	case digestKey:
		b, ok := next.(digestKey)
		return ok && a.id == b.id && bytes.Equal(a.key[:], b.key[:])
	default:
		return false
	}
}

// collides says whether somebody else's credential has a digest of the card.
func (o *organization) collides(c card) bool {
	for _, d := range c.digests {
		if other, ok := o.holders[d]; ok && other != c.holder {
			return true
		}
	}
	return false
}
