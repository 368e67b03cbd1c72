package access

import "github.com/cardea-mesh/cardea/services/policy"

// reverse finds from a door to the credentials that open it, where a decision goes from the credential to the door.
type reverse struct {
	// members are who is directly in a group.
	members map[policy.GroupID]map[policy.SubjectID]struct{}
	// grantees are whom grants of a target name.
	grantees map[policy.TargetID]map[policy.SubjectID]struct{}
	// cards are a person's credentials but for PINs.
	cards map[string][]card
}

func newReverse() reverse {
	return reverse{
		members:  map[policy.GroupID]map[policy.SubjectID]struct{}{},
		grantees: map[policy.TargetID]map[policy.SubjectID]struct{}{},
		cards:    map[string][]card{},
	}
}

// addMember and the like are called with the Copy's mu held.
func (r reverse) addMember(m membership)    { addMember(r.members, m.group, m.member) }
func (r reverse) removeMember(m membership) { removeMember(r.members, m.group, m.member) }

func (r reverse) addGrantee(at pair)    { addMember(r.grantees, at.target, at.subject) }
func (r reverse) removeGrantee(at pair) { removeMember(r.grantees, at.target, at.subject) }

func (r reverse) addCard(c card) { addTo(r.cards, c.person, c) }
func (r reverse) removeCard(c card) {
	removeFrom(r.cards, c.person, func(other card) bool { return other.credential == c.credential })
}

func addMember[K, V comparable](m map[K]map[V]struct{}, key K, value V) {
	if m[key] == nil {
		m[key] = map[V]struct{}{}
	}
	m[key][value] = struct{}{}
}

func removeMember[K, V comparable](m map[K]map[V]struct{}, key K, value V) {
	delete(m[key], value)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}
