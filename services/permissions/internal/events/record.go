package events

import (
	"fmt"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// Record makes a change part of a commit.
func Record(c *outbox.Commit, change grants.Change) error {
	if recordPlaces(c, change) {
		return nil
	}
	switch ch := change.(type) {
	case grants.GrantCreated:
		say(c, ch.Grant.ID, "grant_created", grantCreated(ch.Grant))
		c.Put(grantKey(c.Org, ch.Grant), grantState(ch.Grant))
	case grants.GrantRevoked:
		say(c, ch.Grant.ID, "grant_revoked", grantRevoked(ch.Grant, ch.Because))
		c.Remove(grantKey(c.Org, ch.Grant))
	default:
		return recordGroups(c, change)
	}
	return nil
}

// recordGroups is Record for groups and for those who follow them.
func recordGroups(c *outbox.Commit, change grants.Change) error {
	switch ch := change.(type) {
	case grants.GroupCreated:
		say(c, ch.Group.ID, "group_created", &permissionsv1.GroupCreated{GroupId: string(ch.Group.ID), Name: ch.Group.Name})
	case grants.MemberAdded:
		m := ch.Membership
		say(c, m.Group, "member_added", &permissionsv1.MemberAdded{GroupId: string(m.Group), MemberId: string(m.Member)})
		c.Put(membershipKey(c.Org, m.Group, m.Member), membershipState(m.Group, m.Member))
	case grants.MemberRemoved:
		m := ch.Membership
		say(c, m.Group, "member_removed", &permissionsv1.MemberRemoved{GroupId: string(m.Group), MemberId: string(m.Member)})
		c.Remove(membershipKey(c.Org, m.Group, m.Member))
	case grants.MembershipsReceived:
		recordReceived(c, ch)
	case grants.PersonFollowed:
		recordFollowed(c, ch)
	case grants.FollowAsked:
		askToFollow(c, ch)
	case grants.MembershipsSent:
		sendMemberships(c, ch)
	default:
		return fmt.Errorf("events: no form for %T", change)
	}
	return nil
}

func say(c *outbox.Commit, about region.ID, kind string, payload proto.Message) {
	c.Event(outbox.Event{Stream: about, Kind: kind, Payload: payload})
}

func recordFollowed(c *outbox.Commit, ch grants.PersonFollowed) {
	if ch.Wanted {
		say(c, ch.Person, "person_followed", &permissionsv1.PersonFollowed{PersonId: string(ch.Person), FollowerRegion: string(ch.Follower)})
		return
	}
	say(c, ch.Person, "person_unfollowed", &permissionsv1.PersonUnfollowed{PersonId: string(ch.Person), FollowerRegion: string(ch.Follower)})
}

// recordReceived publishes a copy at its source's version: of two writes of one fact the home's later one counts,
// whichever region received it.
func recordReceived(c *outbox.Commit, ch grants.MembershipsReceived) {
	say(c, ch.Group, "memberships_received", &permissionsv1.MembershipsReceived{GroupId: string(ch.Group), MemberIds: texts(ch.Members)})
	for _, member := range ch.Removed {
		c.RemoveAt(ch.SourceVersion, membershipKey(c.Org, ch.Group, member))
	}
	for _, member := range ch.Added {
		c.PutAt(ch.SourceVersion, membershipKey(c.Org, ch.Group, member), membershipState(ch.Group, member))
	}
}
