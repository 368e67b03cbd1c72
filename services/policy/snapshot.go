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
	zones     map[ZoneID]Zone
	byID      map[GrantID]Grant
	lockdowns map[TargetID][]Lockdown
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
		zones:     make(map[ZoneID]Zone),
		byID:      make(map[GrantID]Grant),
		lockdowns: make(map[TargetID][]Lockdown),
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
	s.byID[g.ID] = g
}

// AddZone adds a zone; its parents are kept, not copied.
func (s *Snapshot) AddZone(z Zone) { s.zones[z.ID] = z }

// AddLockdown adds a lockdown of a door, a zone or a site; add each only once.
func (s *Snapshot) AddLockdown(target TargetID, l Lockdown) {
	s.lockdowns[target] = append(s.lockdowns[target], l)
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

// Zone implements Facts.
func (s *Snapshot) Zone(id ZoneID) (Zone, bool) {
	z, ok := s.zones[id]
	return z, ok
}

// Grant implements Facts.
func (s *Snapshot) Grant(id GrantID) (Grant, bool) {
	g, ok := s.byID[id]
	return g, ok
}

// Lockdowns implements Facts.
func (s *Snapshot) Lockdowns(target TargetID) []Lockdown { return s.lockdowns[target] }
