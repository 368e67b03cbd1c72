package events

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
)

func askToFollow(c *outbox.Commit, ch grants.FollowAsked) {
	c.Call(ch.Home, permissionsv1connect.PermissionsServiceFollowProcedure, &permissionsv1.FollowRequest{
		OrgId:          string(c.Org),
		SubjectId:      string(ch.Subject),
		FollowerRegion: string(ch.Follower),
		Wanted:         ch.Wanted,
		Source:         source(c),
	})
}

func sendMemberships(c *outbox.Commit, ch grants.MembershipsSent) {
	c.Call(ch.Follower, permissionsv1connect.PermissionsServiceReceiveMembershipsProcedure, &permissionsv1.ReceiveMembershipsRequest{
		OrgId:     string(c.Org),
		Region:    string(ch.Follower),
		GroupId:   string(ch.Group),
		MemberIds: texts(ch.Members),
		Source:    source(c),
	})
}

// source is the commit's own token.
func source(c *outbox.Commit) *typev1.ConsistencyToken {
	return &typev1.ConsistencyToken{Service: "permissions", Region: string(c.Region), OrgId: string(c.Org), Version: c.Version}
}
