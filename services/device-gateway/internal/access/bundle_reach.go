package access

import (
	"slices"

	"github.com/cardea-mesh/cardea/services/policy"
)

// around are the door and the zones around it, as policy.Decide follows them. tooDeep: there are zones beyond
// policy.MaxGroupDepth.
func (o *organization) around(d door) (targets []policy.TargetID, tooDeep bool) {
	targets = []policy.TargetID{policy.TargetID(d.ID)}
	level := d.Zones
	for depth := 1; len(level) > 0; depth++ {
		var next []policy.ZoneID
		for _, zone := range level {
			if slices.Contains(targets, policy.TargetID(zone)) {
				continue
			}
			if depth > policy.MaxGroupDepth {
				return targets, true
			}
			targets = append(targets, policy.TargetID(zone))
			next = append(next, o.zones[zone].Parents...)
		}
		level = next
	}
	return targets, false
}

// within are the subject itself and everybody below it, if it is a group: all people for whom policy.Decide finds a grant of the
// subject. Groups are among them.
func (o *organization) within(subject policy.SubjectID) map[policy.SubjectID]struct{} {
	all := map[policy.SubjectID]struct{}{subject: {}}
	level := []policy.SubjectID{subject}
	for depth := 1; len(level) > 0 && depth <= policy.MaxGroupDepth; depth++ {
		var next []policy.SubjectID
		for _, group := range level {
			for member := range o.members[policy.GroupID(group)] {
				if _, met := all[member]; !met {
					all[member] = struct{}{}
					next = append(next, member)
				}
			}
		}
		level = next
	}
	return all
}

// isIn tells whether the subject is the person, or a group of theirs.
func (o *organization) isIn(person policy.PersonID, subject policy.SubjectID) bool {
	if person == "" || subject == policy.SubjectID(person) {
		return person != ""
	}
	met := map[policy.SubjectID]bool{policy.SubjectID(person): true}
	level := []policy.SubjectID{policy.SubjectID(person)}
	for depth := 1; len(level) > 0 && depth <= policy.MaxGroupDepth; depth++ {
		var next []policy.SubjectID
		for _, member := range level {
			for _, group := range o.groups[member] {
				if policy.SubjectID(group) == subject {
					return true
				}
				if !met[policy.SubjectID(group)] {
					met[policy.SubjectID(group)] = true
					next = append(next, policy.SubjectID(group))
				}
			}
		}
		level = next
	}
	return false
}
