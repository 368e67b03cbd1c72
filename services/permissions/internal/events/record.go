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
	if recordPlaces(c, change) || recordKeys(c, change) {
		return nil
	}
	return recordFollows(c, change)
}

// recordFollows is Record for what crosses a border.
func recordFollows(c *outbox.Commit, change grants.Change) error {
	switch ch := change.(type) {
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
