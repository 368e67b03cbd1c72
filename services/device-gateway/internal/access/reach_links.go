package access

import "github.com/cardea-mesh/cardea/services/policy"

// index is a set of values for each key.
type index[K, V comparable] map[K]map[V]struct{}

func (x index[K, V]) add(key K, value V) {
	if x[key] == nil {
		x[key] = map[V]struct{}{}
	}
	x[key][value] = struct{}{}
}

func (x index[K, V]) remove(key K, value V) {
	delete(x[key], value)
	if len(x[key]) == 0 {
		delete(x, key)
	}
}

// links say what hangs on what, against the direction in which the evaluator asks: from a fact to the doors that it concerns.
type links struct {
	doorsIn     index[policy.ZoneID, policy.DoorID]
	zonesIn     index[policy.ZoneID, policy.ZoneID]
	doorsAt     index[policy.SiteID, policy.DoorID]
	grantsTo    index[policy.SubjectID, policy.GrantID]
	grantsBy    index[policy.ScheduleID, policy.GrantID]
	sharesOf    index[policy.GrantID, policy.GrantID]
	doorsBy     index[policy.ScheduleID, policy.DoorID]
	doorsNaming index[policy.SubjectID, policy.DoorID] // in their rules
}

func newLinks() links {
	return links{
		doorsIn: index[policy.ZoneID, policy.DoorID]{}, zonesIn: index[policy.ZoneID, policy.ZoneID]{},
		doorsAt: index[policy.SiteID, policy.DoorID]{}, grantsTo: index[policy.SubjectID, policy.GrantID]{},
		grantsBy: index[policy.ScheduleID, policy.GrantID]{}, sharesOf: index[policy.GrantID, policy.GrantID]{},
		doorsBy: index[policy.ScheduleID, policy.DoorID]{}, doorsNaming: index[policy.SubjectID, policy.DoorID]{},
	}
}

// add notes a fact that came in; remove forgets one that goes.
func (l *links) add(f fact) {
	switch f := f.(type) {
	case door:
		f.links(l.doorsIn.add, l.doorsAt.add, l.doorsBy.add, l.doorsNaming.add)
	case zone:
		for _, parent := range f.Parents {
			l.zonesIn.add(parent, f.ID)
		}
	case grant:
		f.links(l.grantsTo.add, l.grantsBy.add, l.sharesOf.add)
	}
}

func (l *links) remove(f fact) {
	switch f := f.(type) {
	case door:
		f.links(l.doorsIn.remove, l.doorsAt.remove, l.doorsBy.remove, l.doorsNaming.remove)
	case zone:
		for _, parent := range f.Parents {
			l.zonesIn.remove(parent, f.ID)
		}
	case grant:
		f.links(l.grantsTo.remove, l.grantsBy.remove, l.sharesOf.remove)
	}
}

func (d door) links(
	in func(policy.ZoneID, policy.DoorID), at func(policy.SiteID, policy.DoorID),
	by func(policy.ScheduleID, policy.DoorID), naming func(policy.SubjectID, policy.DoorID),
) {
	for _, zone := range d.Zones {
		in(zone, d.ID)
	}
	at(d.Site, d.ID)
	if d.Rules.AutoUnlock != "" {
		by(d.Rules.AutoUnlock, d.ID)
	}
	if f := d.Rules.FirstPerson; f != nil {
		by(f.Schedule, d.ID)
		naming(f.Subject, d.ID)
	}
	if f := d.Rules.SecondFactor; f != nil {
		by(f.Schedule, d.ID)
	}
	if subject := d.offline.GetEmergencySubjectId(); subject != "" {
		naming(policy.SubjectID(subject), d.ID)
	}
}

func (g grant) links(
	to func(policy.SubjectID, policy.GrantID), by func(policy.ScheduleID, policy.GrantID), of func(policy.GrantID, policy.GrantID),
) {
	to(g.Subject, g.ID)
	if g.Schedule != "" {
		by(g.Schedule, g.ID)
	}
	if g.SharedFrom != "" {
		of(g.SharedFrom, g.ID)
	}
}
