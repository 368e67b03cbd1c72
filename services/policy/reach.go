package policy

import "slices"

// MaxGroupDepth is through how many levels of groups in groups a membership is
// followed, and of zones in zones a door: a group that the person is directly in is
// level 1, and so is a zone that the door is directly in. People nest three or four
// levels deep; the bound keeps broken facts from costing a door its answer. Groups beyond
// it admit nobody, and without another grant the answer is BrokenFacts. Zones beyond it
// might be locked down, so nothing opens: BrokenFacts.
const MaxGroupDepth = 32

const (
	subjectsOnStack = 32 // a person and their groups; more than this and Decide allocates
	targetsOnStack  = 8  // a door and the zones around it, likewise
	scanUpTo        = 32 // below this a scan is faster than a map
)

// subjectsOf appends the person and every group of theirs to room, each once. It tells
// whether there were groups beyond MaxGroupDepth.
func subjectsOf(facts Facts, person PersonID, room []SubjectID) (subjects []SubjectID, tooDeep bool) {
	if person == "" {
		return room, false // nobody: no fact may name them
	}
	return reach(SubjectID(person), room, facts.GroupsOf)
}

// targetsOf appends the door and every zone around it to room, each once. It tells
// whether there were zones beyond MaxGroupDepth.
func targetsOf(facts Facts, door *Door, id DoorID, room []TargetID) (targets []TargetID, tooDeep bool) {
	if len(door.Zones) == 0 {
		return append(room, TargetID(id)), false
	}
	return reach(TargetID(id), room, func(t TargetID) []ZoneID {
		if t == TargetID(id) {
			return door.Zones
		}
		zone, _ := facts.Zone(ZoneID(t)) // one that is not known has no parents
		return zone.Parents
	})
}

// reach appends the start and all that is above it, breadth first, so that each is met
// at its lowest level. A cycle only meets what is already there.
func reach[T, Above ~string](start T, all []T, above func(T) []Above) (reached []T, tooDeep bool) {
	all = append(all, start)
	var met map[T]struct{} // the same as all, once it is long
	level := 0             // of what is being appended
	for next, levelEnd := 0, 0; next < len(all); next++ {
		if next == levelEnd {
			level, levelEnd = level+1, len(all)
		}
		for _, a := range above(all[next]) {
			one := T(a)
			if met == nil && len(all) > scanUpTo {
				met = index(all)
			}
			if known(all, met, one) {
				continue
			}
			if level > MaxGroupDepth {
				return all, true
			}
			all = append(all, one)
			if met != nil {
				met[one] = struct{}{}
			}
		}
	}
	return all, false
}

func known[T ~string](all []T, met map[T]struct{}, one T) bool {
	if met == nil {
		return slices.Contains(all, one)
	}
	_, ok := met[one]
	return ok
}

func index[T ~string](all []T) map[T]struct{} {
	met := make(map[T]struct{}, 2*len(all))
	for _, one := range all {
		met[one] = struct{}{}
	}
	return met
}
