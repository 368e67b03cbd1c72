package policytest

import (
	"maps"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// Memory keeps the state of all people and doors, as a gateway does: presence is of a
// person, the first arrival and who waits are of a door, uses are of a grant. The zero
// value remembers nothing. Not safe for concurrent use.
type Memory struct {
	presence map[policy.PersonID]map[policy.ZoneID]policy.Presence
	doors    map[policy.DoorID]policy.State // FirstArrival and Waiting only
	uses     map[policy.GrantID]int
}

// State is what is remembered that a question about this person at this door may need.
func (m *Memory) State(person policy.PersonID, door policy.DoorID) policy.State {
	s := m.doors[door]
	s.Presence = maps.Clone(m.presence[person])
	s.Uses = maps.Clone(m.uses)
	return s
}

// Apply remembers the effects of a decision about a person at a door.
func (m *Memory) Apply(effects []policy.Effect, person policy.PersonID, door policy.DoorID, at time.Time) {
	m.Set(m.State(person, door).Apply(effects, person, at), person, door)
	for _, e := range effects {
		if e.Person == "" || e.Person == person {
			continue
		}
		other := e
		other.Person = ""
		m.Set(m.State(e.Person, door).Apply([]policy.Effect{other}, e.Person, at), e.Person, door)
	}
}

// Set replaces what is remembered of a person, of a door and of all grants.
func (m *Memory) Set(s policy.State, person policy.PersonID, door policy.DoorID) {
	if m.doors == nil {
		m.doors = make(map[policy.DoorID]policy.State)
		m.presence = make(map[policy.PersonID]map[policy.ZoneID]policy.Presence)
	}
	m.doors[door] = policy.State{FirstArrival: s.FirstArrival, Waiting: s.Waiting}
	m.presence[person] = s.Presence
	m.uses = s.Uses
}
