package policy

// Snapshot is Facts held in maps: filled once, for example from one transaction's
// rows, then asked. Filling is not safe for concurrent use; asking is. Adding the same
// door, membership or schedule twice is the same as adding the last one. The zero value
// is not usable; use NewSnapshot.
type Snapshot struct {
	doors     map[DoorID]Door
	groups    map[SubjectID][]GroupID
	grants    map[pair][]Grant
	schedules map[ScheduleID]*Schedule
}

type pair struct {
	subject SubjectID
	target  TargetID
}

var _ Facts = (*Snapshot)(nil)

// NewSnapshot knows nothing yet.
func NewSnapshot() *Snapshot {
	return &Snapshot{
		doors:     make(map[DoorID]Door),
		groups:    make(map[SubjectID][]GroupID),
		grants:    make(map[pair][]Grant),
		schedules: make(map[ScheduleID]*Schedule),
	}
}

// AddDoor adds a door; its zones are kept, not copied.
func (s *Snapshot) AddDoor(d Door) { s.doors[d.ID] = d }

// AddMember puts a person or a group into a group.
func (s *Snapshot) AddMember(group GroupID, member SubjectID) {
	s.groups[member] = append(s.groups[member], group)
}

// AddGrant adds a grant; add each only once.
func (s *Snapshot) AddGrant(g Grant) {
	key := pair{g.Subject, g.Target}
	s.grants[key] = append(s.grants[key], g)
}

// AddSchedule adds a schedule. One that could not be made is left out: the grants
// that name it then do not hold, and the reason is BrokenFacts.
func (s *Snapshot) AddSchedule(id ScheduleID, schedule *Schedule) { s.schedules[id] = schedule }

// Door implements Facts.
func (s *Snapshot) Door(id DoorID) (Door, bool) {
	d, ok := s.doors[id]
	return d, ok
}

// GroupsOf implements Facts.
func (s *Snapshot) GroupsOf(member SubjectID) []GroupID { return s.groups[member] }

// Grants implements Facts.
func (s *Snapshot) Grants(subject SubjectID, target TargetID) []Grant {
	return s.grants[pair{subject, target}]
}

// Schedule implements Facts.
func (s *Snapshot) Schedule(id ScheduleID) (*Schedule, bool) {
	schedule, ok := s.schedules[id]
	return schedule, ok
}
