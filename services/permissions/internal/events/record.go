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
	switch ch := change.(type) {
	case grants.SiteCreated:
		say(c, ch.Site.ID, "site_created", siteCreated(ch.Site))
	case grants.DoorCreated:
		say(c, ch.Door.ID, "door_created", &permissionsv1.DoorCreated{Door: door(ch.Door)})
		putDoor(c, ch.Door)
	case grants.ZoneCreated:
		say(c, ch.Zone.ID, "zone_created", zoneCreated(ch.Zone))
		for _, d := range ch.Doors {
			putDoor(c, d)
		}
	case grants.ScheduleCreated:
		say(c, ch.Schedule.ID, "schedule_created", scheduleCreated(ch.Schedule))
		c.Put(outbox.SiteKey(c.Org, ch.Schedule.Site, "schedule", ch.Schedule.ID), scheduleState(ch.Schedule))
	default:
		if !recordKeys(c, change) {
			return recordFollows(c, change)
		}
	}
	return nil
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
