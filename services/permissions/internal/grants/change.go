package grants

import (
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Change is what a commit tells others. Package events says in which form.
type Change interface{ change() }

type (
	// GroupCreated: there is a group.
	GroupCreated struct{ Group Group }
	// GroupUpdated: it is called something else.
	GroupUpdated struct{ Group Group }
	// GroupDeleted: there is no such group any more.
	GroupDeleted struct{ Group region.ID }
	// MemberAdded: somebody is in a group.
	MemberAdded struct {
		Membership Membership
		Since      time.Time // zero: the commit's moment
	}
	// MemberRemoved: somebody is not in a group any more.
	MemberRemoved struct {
		Membership Membership
		Since      time.Time // zero: the commit's moment
	}
	// GrantCreated: somebody may open something.
	GrantCreated struct{ Grant Grant }
	// GrantUpdated: how they may is different from now on.
	GrantUpdated struct{ Grant Grant }
	// GrantRevoked: they may not any more.
	GrantRevoked struct {
		Grant   Grant
		Since   time.Time // zero: the commit's moment
		Because region.ID // what ended and ended it with it; empty: it was revoked by itself
	}
	// RoleAssigned: somebody administers.
	RoleAssigned struct{ Role RoleAssignment }
	// RoleRevoked: they do not any more.
	RoleRevoked struct{ Role region.ID }

	// PersonFollowed: a region of another jurisdiction needs a person of ours, or (Wanted false) does not any more.
	PersonFollowed struct {
		Person   region.ID
		Follower region.Name
		Wanted   bool
	}
	// FollowAsked: the home of a subject, in another jurisdiction, is to be asked to send it to a follower, or to stop.
	FollowAsked struct {
		Home     region.Name
		Subject  region.ID
		Follower region.Name
		Wanted   bool
	}
	// MembershipsSent: a follower in another jurisdiction is to be told a group's whole membership.
	MembershipsSent struct {
		Follower region.Name
		Group    region.ID
		Members  []region.ID
	}
	// MembershipsReceived: the copy of another jurisdiction's group changed.
	MembershipsReceived struct {
		Group          region.ID
		Members        []region.ID // all now
		Added, Removed []region.ID
		SourceVersion  int64 // the home's commit: the copies' published facts bear it
	}
)

func (GroupCreated) change()        {}
func (GroupUpdated) change()        {}
func (GroupDeleted) change()        {}
func (MemberAdded) change()         {}
func (MemberRemoved) change()       {}
func (GrantCreated) change()        {}
func (GrantUpdated) change()        {}
func (GrantRevoked) change()        {}
func (RoleAssigned) change()        {}
func (RoleRevoked) change()         {}
func (PersonFollowed) change()      {}
func (FollowAsked) change()         {}
func (MembershipsSent) change()     {}
func (MembershipsReceived) change() {}
