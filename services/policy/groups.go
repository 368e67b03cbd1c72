package policy

import "slices"

// MaxGroupDepth is through how many levels of groups in groups a membership is
// followed: a group that the person is directly in is level 1. People nest three or
// four levels deep; the bound keeps broken facts from costing a door its answer.
// Groups beyond it admit nobody, and without another grant the answer is BrokenFacts.
const MaxGroupDepth = 32

const (
	subjectsOnStack = 32 // a person and their groups; more than this and Decide allocates
	scanUpTo        = 32 // below this a scan is faster than a map
)

// closure appends the person and every group of theirs to all, each once: breadth
// first, so that each group is met at its lowest level. A cycle only meets groups
// that are already there. It tells whether there were groups beyond MaxGroupDepth.
func closure(facts Facts, person PersonID, all []SubjectID) (subjects []SubjectID, tooDeep bool) {
	if person == "" {
		return all, false // nobody: no fact may name them
	}
	all = append(all, SubjectID(person))
	var met map[SubjectID]struct{} // the same as all, once it is long
	level := 0                     // of the groups that are being appended
	for next, levelEnd := 0, 0; next < len(all); next++ {
		if next == levelEnd {
			level, levelEnd = level+1, len(all)
		}
		for _, group := range facts.GroupsOf(all[next]) {
			subject := SubjectID(group)
			if met == nil && len(all) > scanUpTo {
				met = index(all)
			}
			if known(all, met, subject) {
				continue
			}
			if level > MaxGroupDepth {
				return all, true
			}
			all = append(all, subject)
			if met != nil {
				met[subject] = struct{}{}
			}
		}
	}
	return all, false
}

func known(all []SubjectID, met map[SubjectID]struct{}, s SubjectID) bool {
	if met == nil {
		return slices.Contains(all, s)
	}
	_, ok := met[s]
	return ok
}

func index(all []SubjectID) map[SubjectID]struct{} {
	met := make(map[SubjectID]struct{}, 2*len(all))
	for _, s := range all {
		met[s] = struct{}{}
	}
	return met
}
