package grants

import "github.com/cardea-mesh/cardea/services/platform/region"

// Change is what a commit tells others. Package events says in which form.
type Change interface{ change() }

type (
	// GroupCreated: there is a group.
	GroupCreated struct{ Group Group }
	// MemberAdded: somebody is in a group.
	MemberAdded struct{ Membership Membership }
	// MemberRemoved: somebody is not in a group any more.
	MemberRemoved struct{ Membership Membership }
	// GrantCreated: somebody may open something.
	GrantCreated struct{ Grant Grant }
	// GrantRevoked: they may not any more. Because is the grant whose end ended this share; empty: it ended by itself.
	GrantRevoked struct {
		Grant   Grant
		Because region.ID
	}

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
func (MemberAdded) change()         {}
func (MemberRemoved) change()       {}
func (GrantCreated) change()        {}
func (GrantRevoked) change()        {}
func (PersonFollowed) change()      {}
func (FollowAsked) change()         {}
func (MembershipsSent) change()     {}
func (MembershipsReceived) change() {}
