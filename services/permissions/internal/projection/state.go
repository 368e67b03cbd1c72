package projection

import (
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// state is one organization as its commits up to heads left it. It is never changed.
type state struct {
	org    region.ID
	heads  []grants.Head
	latest time.Time // when the latest of them was recorded
	bytes  int64     // estimate

	sites      table[policy.SiteID, struct{}]
	doors      table[policy.DoorID, *policy.Door] // without Zones
	zones      table[policy.ZoneID, *policy.Zone] // without Parents
	zonesOf    links[policy.DoorID, policy.ZoneID]
	doorsOf    links[policy.ZoneID, policy.DoorID]
	parentsOf  links[policy.ZoneID, policy.ZoneID]
	childrenOf links[policy.ZoneID, policy.ZoneID]

	schedules  table[policy.ScheduleID, *schedule]
	calendars  table[calendarID, []policy.Holiday]
	observedBy links[calendarID, policy.ScheduleID]

	groupsOf  links[policy.SubjectID, policy.GroupID]
	membersOf links[policy.GroupID, policy.SubjectID]
	// copies tells in which regions a membership of another jurisdiction's group was received; those of our own are in one.
	copies table[membership, []region.Name]

	grants     index[policy.GrantID, pair, policy.Grant]
	subjectsOf links[policy.TargetID, policy.SubjectID] // whom grants of a target name
	targetsOf  links[policy.SubjectID, policy.TargetID] // what grants to a subject name
	lockdowns  index[policy.LockdownID, policy.TargetID, policy.Lockdown]
	roles      index[roleID, policy.SubjectID, policy.RoleAssignment]
}

type (
	calendarID string
	roleID     string
	// pair is what a grant is about.
	pair struct {
		subject policy.SubjectID
		target  policy.TargetID
	}
	membership struct {
		group  policy.GroupID
		member policy.SubjectID
	}
	// schedule is a schedule and what was made of it; nil where nothing could be.
	schedule struct {
		row  ScheduleRow
		made *policy.Schedule
	}
)

var (
	_ policy.Facts     = (*state)(nil)
	_ policy.RoleFacts = (*state)(nil)
)

// Door implements policy.Facts.
func (s *state) Door(id policy.DoorID) (policy.Door, bool) {
	d, ok := s.doors.get(id)
	if !ok {
		return policy.Door{}, false
	}
	door := *d
	door.Zones = s.zonesOf.of(id)
	return door, true
}

// Zone implements policy.Facts.
func (s *state) Zone(id policy.ZoneID) (policy.Zone, bool) {
	z, ok := s.zones.get(id)
	if !ok {
		return policy.Zone{}, false
	}
	zone := *z
	zone.Parents = s.parentsOf.of(id)
	return zone, true
}

// GroupsOf implements policy.Facts and policy.RoleFacts.
func (s *state) GroupsOf(member policy.SubjectID) []policy.GroupID { return s.groupsOf.of(member) }

// Grants implements policy.Facts.
func (s *state) Grants(subject policy.SubjectID, target policy.TargetID) []policy.Grant {
	return s.grants.about(pair{subject, target})
}

// Grant implements policy.Facts.
func (s *state) Grant(id policy.GrantID) (policy.Grant, bool) {
	rows, ok := s.grants.byID.get(id)
	if !ok {
		return policy.Grant{}, false
	}
	return rows[len(rows)-1].value, true
}

// Schedule implements policy.Facts.
func (s *state) Schedule(id policy.ScheduleID) (*policy.Schedule, bool) {
	schedule, ok := s.schedules.get(id)
	if !ok || schedule.made == nil {
		return nil, false
	}
	return schedule.made, true
}

// Lockdowns implements policy.Facts.
func (s *state) Lockdowns(target policy.TargetID) []policy.Lockdown { return s.lockdowns.about(target) }

// Roles implements policy.RoleFacts.
func (s *state) Roles(subject policy.SubjectID) []policy.RoleAssignment {
	return s.roles.about(subject)
}

// version is the organization's in a region; false where the region is not of this jurisdiction.
func (s *state) version(home region.Name) (int64, bool) {
	for i := range s.heads {
		if s.heads[i].Region == home {
			return s.heads[i].Version, true
		}
	}
	return 0, false
}

// same says whether two lists of heads are of the same commits.
func same(a, b []grants.Head) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Region != b[i].Region || a[i].Version != b[i].Version || !a[i].RecordedAt.Equal(b[i].RecordedAt) {
			return false
		}
	}
	return true
}

// What things cost in memory, for the bound: measured over the data set of the benchmark (see DESIGN.md), in bytes of live
// heap, maps and their spare room included.
const (
	linkBytes     = 16 // an id in a set; the text is counted where the thing is
	entryBytes    = 130
	doorBytes     = 250
	zoneBytes     = 150
	siteBytes     = 100
	scheduleBytes = 3000 // with what is compiled of it
	grantBytes    = 190  // in one of the two places where it is
	lockdownBytes = 120
	roleBytes     = 160
	memberBytes   = 60 // the text of the member's id
	emptyBytes    = 4096
)

// keyBytes is by how much a table has grown when a key was there before, or is there now.
func keyBytes(was, is bool) int64 {
	switch {
	case is && !was:
		return entryBytes
	case was && !is:
		return -entryBytes
	default:
		return 0
	}
}
