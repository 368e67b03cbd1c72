package projection

import (
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// People yields, ascending and each once, the people after an id whom a grant of the door names, directly or through
// groups: all who may open it by a grant, and others.
func (v View) People(door region.ID, after string) func(yield func(policy.PersonID) bool) {
	const kind = string(region.Person) + "_"
	var m merger[policy.SubjectID]
	reached := map[policy.GroupID]bool{}
	targets := v.around(policy.DoorID(door))
	var groups []policy.GroupID
	for _, target := range targets {
		subjects := v.subjectsOf.of(target)
		m.add(subjects, kind, after)
		groups = appendGroups(groups, subjects, reached)
	}
	for len(groups) > 0 {
		members := v.membersOf.of(groups[0])
		m.add(members, kind, after)
		groups = appendGroups(groups[1:], members, reached)
	}
	return func(yield func(policy.PersonID) bool) {
		m.run(func(id policy.SubjectID) bool { return yield(policy.PersonID(id)) })
	}
}

// around returns the door and all zones that it is in, as targets.
func (v View) around(door policy.DoorID) []policy.TargetID {
	targets := []policy.TargetID{policy.TargetID(door)}
	zones := slices.Clone(v.zonesOf.of(door))
	for i := 0; i < len(zones); i++ {
		targets = append(targets, policy.TargetID(zones[i]))
		for _, parent := range v.parentsOf.of(zones[i]) {
			if !slices.Contains(zones, parent) {
				zones = append(zones, parent)
			}
		}
	}
	return targets
}

// appendGroups adds the groups among subjects that were not reached yet. Groups come before people in their order.
func appendGroups(groups []policy.GroupID, subjects []policy.SubjectID, reached map[policy.GroupID]bool) []policy.GroupID {
	const kind = string(region.Group) + "_"
	for _, s := range prefixed(subjects, kind) {
		if group := policy.GroupID(s); !reached[group] {
			reached[group] = true
			groups = append(groups, group)
		}
	}
	return groups
}

// Doors yields, ascending and each once, the doors of a region after an id that a grant to the person, or a group of
// theirs, names, directly or through zones: all that they may open by a grant, and others.
func (v View) Doors(person region.ID, home region.Code, after string) func(yield func(policy.DoorID) bool) {
	doors, zonesOf := string(region.Door)+"_"+string(home)+"_", string(region.Zone)+"_"+string(home)+"_"
	var direct merger[policy.TargetID]
	var m merger[policy.DoorID]
	reached := map[policy.ZoneID]bool{}
	var zones []policy.ZoneID
	for _, subject := range v.above(policy.SubjectID(person)) {
		targets := v.targetsOf.of(subject)
		direct.add(targets, doors, after)
		for _, t := range prefixed(targets, zonesOf) {
			zones = appendZone(zones, policy.ZoneID(t), reached)
		}
	}
	for len(zones) > 0 {
		m.add(v.doorsOf.of(zones[0]), doors, after)
		inside := v.childrenOf.of(zones[0])
		zones = zones[1:]
		for _, zone := range inside {
			zones = appendZone(zones, zone, reached)
		}
	}
	for _, rest := range direct.lists {
		as := make([]policy.DoorID, len(rest))
		for i, t := range rest {
			as[i] = policy.DoorID(t)
		}
		m.push(as)
	}
	return m.run
}

func appendZone(zones []policy.ZoneID, zone policy.ZoneID, reached map[policy.ZoneID]bool) []policy.ZoneID {
	if reached[zone] {
		return zones
	}
	reached[zone] = true
	return append(zones, zone)
}

// above returns the subject and all groups that it is in.
func (v View) above(subject policy.SubjectID) []policy.SubjectID {
	all := []policy.SubjectID{subject}
	met := map[policy.SubjectID]bool{subject: true}
	for i := 0; i < len(all); i++ {
		for _, group := range v.groupsOf.of(all[i]) {
			if s := policy.SubjectID(group); !met[s] {
				met[s] = true
				all = append(all, s)
			}
		}
	}
	return all
}
