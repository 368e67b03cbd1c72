package projection

import (
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// people replaces memberships. Those of our own groups rest in the group's home; a copy of another jurisdiction's may
// have been received in several regions, and holds as long as one of them has it.
func (m *maker) people() {
	var ours, received []LinkRow
	for _, r := range m.rows.Members {
		if home, err := m.regions.Home(region.ID(r.Outer)); err == nil && home.Name == r.Home {
			ours = append(ours, r)
		} else {
			received = append(received, r)
		}
	}
	ours = append(ours, m.received(received)...)
	m.membersOf, m.groupsOf = relink(m, m.membersOf, m.groupsOf, ours)
}

// received keeps book of the regions that have each copy, and returns for each that is mentioned a row that says whether
// any region has it.
func (m *maker) received(rows []LinkRow) (known []LinkRow) {
	if len(rows) == 0 {
		return nil
	}
	e := m.copies.edit()
	for _, gone := range []bool{true, false} {
		for _, r := range rows {
			if m.over(r.Validity) != gone {
				continue
			}
			key := membership{policy.GroupID(r.Outer), policy.SubjectID(r.Inner)}
			homes, had := e.get(key)
			homes = slices.DeleteFunc(slices.Clone(homes), func(n region.Name) bool { return n == r.Home })
			if !gone {
				homes = append(homes, r.Home)
				slices.Sort(homes)
			}
			if len(homes) > 0 {
				e.set(key, homes)
			} else {
				e.remove(key)
			}
			m.bytes += keyBytes(had, len(homes) > 0)
			if gone && len(homes) > 0 {
				continue // another region still has it
			}
			known = append(known, r)
		}
	}
	m.copies = e.done()
	return known
}
