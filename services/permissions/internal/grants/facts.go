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
	TimeZone string // IANA name
}

// Door is something that a lock closes.
type Door struct {
	ID, Org, Site region.ID
	Name          string
	UnlockFor     time.Duration
	TimeZone      string      // its site's
	Zones         []region.ID // that it is in, ascending
}

// Zone is a set of doors of one region.
type Zone struct {
	ID, Org region.ID
	// Site is that of the zone's first door: under it the zone's grants are published.
	Site  region.ID
	Name  string
	Doors []region.ID
}

// Schedule is when a grant holds.
type Schedule struct {
	ID, Org, Site region.ID
	Name          string
	TimeZone      string // its site's
	Spec          policy.ScheduleSpec
}

// Group is a set of people and groups.
type Group struct {
	ID, Org region.ID
	Name    string
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
	Validity Validity
	// Revoked: somebody ended it, at Validity.To at the latest.
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
