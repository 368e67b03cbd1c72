package projection

import (
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// maker makes the next state of an organization from one and the rows of later commits. Every thing that the rows
// mention is replaced: what they do not say about it any more is not so any more. Rows that were over when the latest
// commit was recorded count as not there; no question about now is about a moment before that.
type maker struct {
	state
	rows    *Rows
	regions *region.Map
}

// load makes a state from all rows of an organization.
func load(org region.ID, rows *Rows, regions *region.Map) *state {
	return (&state{org: org, bytes: emptyBytes}).apply(rows, regions)
}

// apply makes the state after the commits of rows.
func (s *state) apply(rows *Rows, regions *region.Map) *state {
	m := &maker{state: *s, rows: rows, regions: regions}
	m.heads, m.state.latest = rows.Heads, rows.Latest()
	m.places()
	m.timetables()
	m.people()
	m.keys()
	next := m.state
	return &next
}

// over says whether a row is over for all questions about now.
func (m *maker) over(v grants.Validity) bool { return over(v.From, v.To, m.latest) }

func (m *maker) places() {
	m.sites = replace(m, m.sites, siteBytes, m.rows.Sites, func(r SiteRow) (policy.SiteID, struct{}, grants.Validity) {
		return r.ID, struct{}{}, r.Validity
	})
	m.doors = replace(m, m.doors, doorBytes, m.rows.Doors, func(r DoorRow) (policy.DoorID, *policy.Door, grants.Validity) {
		return r.ID, &r.Door, r.Validity
	})
	m.zones = replace(m, m.zones, zoneBytes, m.rows.Zones, func(r ZoneRow) (policy.ZoneID, *policy.Zone, grants.Validity) {
		return r.ID, &r.Zone, r.Validity
	})
	m.doorsOf, m.zonesOf = relink(m, m.doorsOf, m.zonesOf, m.rows.ZoneDoors)
	m.childrenOf, m.parentsOf = relink(m, m.childrenOf, m.parentsOf, m.rows.ZoneZones)
}

// replace puts in the table what holds of the things that rows mention. Rows of one thing never overlap, so at most one
// of them is not over.
func replace[K ~string, V, R any](m *maker, t table[K, V], each int64, rows []R, read func(R) (K, V, grants.Validity)) table[K, V] {
	if len(rows) == 0 {
		return t
	}
	e := t.edit()
	e.expect(len(rows))
	before := e.n
	if before > 0 {
		for _, r := range rows {
			id, _, _ := read(r)
			e.remove(id)
		}
	}
	for _, r := range rows {
		if id, v, validity := read(r); !m.over(validity) {
			e.set(id, v)
		}
	}
	m.bytes += int64(e.n-before) * (each + entryBytes)
	return e.done()
}

// relink does the same for what is in what, in both directions.
func relink[O, I ~string](m *maker, inside links[O, I], around links[I, O], rows []LinkRow) (links[O, I], links[I, O]) {
	if len(rows) == 0 {
		return inside, around
	}
	in, out := inside.edit(), around.edit()
	for _, gone := range []bool{true, false} { // what is over first: another row may say that it is there again
		for _, r := range rows {
			switch outer, inner := O(r.Outer), I(r.Inner); {
			case m.over(r.Validity) != gone:
			case gone:
				in.unlink(outer, inner)
				out.unlink(inner, outer)
			default:
				in.link(outer, inner)
				out.link(inner, outer)
			}
		}
	}
	inside, around = in.done(), out.done()
	m.bytes += in.bytes + out.bytes
	return inside, around
}
