package access

import (
	"slices"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/doorstate"
	"github.com/cardea-mesh/cardea/services/policy"
)

// asking is an organization's facts for one decision. It notes which of them make the decision depend on shared door state.
type asking struct {
	*organization
	req   policy.Request
	zones []policy.ZoneID // the door's own
	needs doorstate.Needs
}

// Door implements policy.Facts.
func (a *asking) Door(id policy.DoorID) (policy.Door, bool) {
	d, ok := a.organization.Door(id)
	if id == a.req.Door {
		a.zones = d.Zones
		a.needs.Door = d.Rules.FirstPerson != nil || d.Rules.TwoPersonWindow != 0
	}
	return d, ok
}

// Zone implements policy.Facts.
func (a *asking) Zone(id policy.ZoneID) (policy.Zone, bool) {
	z, ok := a.organization.Zone(id)
	if z.AntiPassback != nil && a.req.Person != "" && slices.Contains(a.zones, id) && !slices.Contains(a.needs.Zones, id) {
		a.needs.Zones = append(a.needs.Zones, id)
	}
	return z, ok
}

// Grants implements policy.Facts.
func (a *asking) Grants(subject policy.SubjectID, target policy.TargetID) []policy.Grant {
	all := a.organization.Grants(subject, target)
	for i := range all {
		a.limited(&all[i])
	}
	return all
}

// Grant implements policy.Facts.
func (a *asking) Grant(id policy.GrantID) (policy.Grant, bool) {
	g, ok := a.organization.Grant(id)
	a.limited(&g)
	return g, ok
}

func (a *asking) limited(g *policy.Grant) {
	if g.MaxUses > 0 && !slices.Contains(a.needs.Grants, g.ID) {
		a.needs.Grants = append(a.needs.Grants, g.ID)
	}
}

// waiving is an organization's facts without the rules that a door's owner takes as met where the shared state cannot be reached:
// who has to come first, the second person, and soft anti-passback; hard too when all is set.
type waiving struct {
	*organization
	all bool
}

// Door implements policy.Facts.
func (w waiving) Door(id policy.DoorID) (policy.Door, bool) {
	d, ok := w.organization.Door(id)
	d.Rules.FirstPerson, d.Rules.TwoPersonWindow = nil, 0
	return d, ok
}

// Zone implements policy.Facts.
func (w waiving) Zone(id policy.ZoneID) (policy.Zone, bool) {
	z, ok := w.organization.Zone(id)
	if z.AntiPassback != nil && (w.all || z.AntiPassback.Mode == policy.AntiPassbackSoft) {
		z.AntiPassback = nil
	}
	return z, ok
}
