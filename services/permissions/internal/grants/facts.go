package grants

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Site is a building, in the region where it stands.
type Site struct {
	ID, Org  region.ID
	Name     string
	TimeZone string    // IANA name
	Since    time.Time // from when this holds
	Version  int64     // the commit that recorded this about it
}

// Door is something that a lock closes.
type Door struct {
	ID, Org, Site region.ID
	Name          string
	UnlockFor     time.Duration
	Rules         DoorRules
	TimeZone      string      // its site's
	Zones         []region.ID // that it is directly in, ascending
	Since         time.Time   // from when this holds, but for Zones
	Version       int64       // the commit that recorded this about it
}

// DoorRules are what a door asks beyond a grant.
type DoorRules struct {
	policy.DoorRules
	// OnStateLoss says what the door does when the state of its rules cannot be reached. The evaluator does not read it.
	OnStateLoss StateLoss
	// Offline is what the door's locks may decide alone; nil: nothing. The evaluator does not read it.
	Offline *Offline
	// HeldOpenAfter is how long the door may stand open after a passage; 0: the lock's own limit.
	HeldOpenAfter time.Duration
}

// Offline is what a door's locks may decide while no gateway answers them.
type Offline struct {
	// Budget is for how long after they last heard from a gateway: so long a revocation may not be honoured by a lock that is cut off.
	Budget time.Duration
	// After is what they do then.
	After OfflineAfter
	// Emergency is the person or group that they still admit then; empty but for OfflineEmergencyList.
	Emergency policy.SubjectID
}

// OfflineAfter is what a lock does when its staleness budget is over. The numbers are those of the contracts.
type OfflineAfter int32

// What a lock does when its staleness budget is over; the zero value is as OfflineStaySecure.
const (
	OfflineStaySecure    OfflineAfter = 1
	OfflineEmergencyList OfflineAfter = 2
	OfflineKeepGoing     OfflineAfter = 3
)

// StateLoss says what a door does without the state of its rules. The numbers are those of the contracts.
type StateLoss int32

// What a door does without the state of its rules; the zero value is as StateLossDeny.
const (
	StateLossDeny           StateLoss = 1
	StateLossAllowAndRecord StateLoss = 2
)

// Zone is a set of doors and zones of one region.
type Zone struct {
	ID, Org region.ID
	// Site is that of the zone's first door, or of its first zone: under it the zone's grants are published. It never changes.
	Site         region.ID
	Name         string
	Doors        []region.ID // directly in it, ascending
	Zones        []region.ID // directly in it, ascending
	Parents      []region.ID // that it is directly in, ascending
	AntiPassback *policy.AntiPassback
	Since        time.Time // from when this holds, but for Parents
	Version      int64     // the commit that recorded this about it
}

// Schedule is when a grant holds.
type Schedule struct {
	ID, Org, Site region.ID
	Name          string
	TimeZone      string // its site's
	// Spec is when it holds; its Holidays are those of Calendars as they are now.
	Spec      policy.ScheduleSpec
	Calendars []region.ID // that it observes, ascending
	Since     time.Time   // from when this holds, but for the dates of Calendars
	Version   int64       // the commit that recorded this about it
}

// Calendar is a list of dates that schedules observe.
type Calendar struct {
	ID, Org  region.ID
	Name     string
	Holidays []NamedHoliday
	Since    time.Time // from when this holds
	Version  int64     // the commit that recorded this about it
}

// NamedHoliday is a date, and what people call it.
type NamedHoliday struct {
	policy.Holiday
	Name string
}

// Lockdown keeps a target closed from Validity.From on.
type Lockdown struct {
	ID, Org  region.ID
	Target   region.ID // a door, a zone or a site
	Site     region.ID // under which it is published
	Rank     int       // 1 to policy.MaxLockdownRank
	Note     string
	Validity Validity
	// Ended: somebody ended it, at Validity.To at the latest.
	Ended   bool
	Version int64 // the commit that recorded this about it
}

// RoleAssignment makes a subject an administrator.
type RoleAssignment struct {
	ID, Org  region.ID
	Subject  region.ID // a person or a group
	Role     policy.Role
	Site     region.ID // empty: of the whole organization
	Validity Validity
	Revoked  bool
	Version  int64 // the commit that recorded this about it
}

// Group is a set of people and groups.
type Group struct {
	ID, Org region.ID
	Name    string
	Version int64 // the commit that recorded this about it
}

// Membership puts a person or a group into a group.
type Membership struct {
	Group, Member region.ID
}

// Grant lets a subject open a target.
type Grant struct {
	ID, Org  region.ID
	Subject  region.ID // a person or a group
	Target   region.ID // a door or a zone
	Schedule region.ID // empty: at all times
	Site     region.ID // under which it is published: the target's
	// Validity.From is from when this about it holds: an update begins it anew.
	Validity Validity
	// Since is from when it has held without a gap, whatever was updated in between: at Validity.From or before.
	Since   time.Time
	MaxUses int // how often it opens in all; 0: without limit
	// OverrideRank: it opens in lockdowns of at most this rank; 0: in none.
	OverrideRank int
	// ShareDepth is through how many shares it may be passed on; 0: not at all.
	ShareDepth int
	// SharedFrom is the grant of which it is a share, and Sharer who shared; both empty: not a share.
	SharedFrom, Sharer region.ID
	// Revoked: somebody ended this, at Validity.To at the latest. What an update replaced rests as revoked too: of all that
	// is known about a grant, one thing at most is not.
	Revoked bool
	// Version is the commit that recorded this about the grant.
	Version int64
}

// Validity is when a fact holds: from From, included, to To, not included. A zero To is open.
type Validity struct {
	From, To time.Time
}

// EndedAt is the validity of something that somebody ends at t. What was true before t stays true. Ended before it began,
// it is empty: it begins and ends at From and never held. What was over before t stays as it was.
func (v Validity) EndedAt(t time.Time) Validity {
	switch {
	case t.Before(v.From):
		v.To = v.From
	case v.To.IsZero() || t.Before(v.To):
		v.To = t
	}
	return v
}

// Holds says whether t is inside.
func (v Validity) Holds(t time.Time) bool {
	return !t.Before(v.From) && (v.To.IsZero() || t.Before(v.To))
}

// Instant is a time as it is stored: UTC, whole microseconds (what both engines keep).
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
