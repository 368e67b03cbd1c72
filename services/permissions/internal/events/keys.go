package events

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// recordKeys is Record for groups, memberships, grants and roles; false: something else.
func recordKeys(c *outbox.Commit, change grants.Change) bool {
	switch ch := change.(type) {
	case grants.GrantCreated:
		say(c, ch.Grant.ID, "grant_created", grantCreated(ch.Grant))
		c.Put(grantKey(c.Org, ch.Grant), grantState(ch.Grant))
	case grants.GrantUpdated:
		say(c, ch.Grant.ID, "grant_updated", &permissionsv1.GrantUpdated{Grant: contract.Grant(ch.Grant)})
		c.Put(grantKey(c.Org, ch.Grant), grantState(ch.Grant))
	case grants.GrantRevoked:
		say(c, ch.Grant.ID, "grant_revoked", grantRevoked(ch))
		c.Remove(grantKey(c.Org, ch.Grant))
	case grants.RoleAssigned:
		say(c, ch.Role.ID, "role_assigned", &permissionsv1.RoleAssigned{Role: contract.Role(ch.Role)})
	case grants.RoleRevoked:
		say(c, ch.Role, "role_revoked", &permissionsv1.RoleRevoked{RoleId: string(ch.Role)})
	default:
		return recordGroups(c, change)
	}
	return true
}

func recordGroups(c *outbox.Commit, change grants.Change) bool {
	switch ch := change.(type) {
	case grants.GroupCreated:
		say(c, ch.Group.ID, "group_created", &permissionsv1.GroupCreated{GroupId: string(ch.Group.ID), Name: ch.Group.Name})
	case grants.GroupUpdated:
		say(c, ch.Group.ID, "group_updated", &permissionsv1.GroupUpdated{Group: contract.Group(ch.Group)})
	case grants.GroupDeleted:
		say(c, ch.Group, "group_deleted", &permissionsv1.GroupDeleted{GroupId: string(ch.Group)})
	case grants.MemberAdded:
		m := ch.Membership
		say(c, m.Group, "member_added", &permissionsv1.MemberAdded{
			GroupId: string(m.Group), MemberId: string(m.Member), EffectiveAt: stamp(ch.Since),
		})
		c.Put(membershipKey(c.Org, m.Group, m.Member), membershipState(m.Group, m.Member))
	case grants.MemberRemoved:
		m := ch.Membership
		say(c, m.Group, "member_removed", &permissionsv1.MemberRemoved{
			GroupId: string(m.Group), MemberId: string(m.Member), EffectiveAt: stamp(ch.Since),
		})
		c.Remove(membershipKey(c.Org, m.Group, m.Member))
	default:
		return false
	}
	return true
}

func grantCreated(g grants.Grant) *permissionsv1.GrantCreated {
	told := contract.Grant(g)
	return &permissionsv1.GrantCreated{
		GrantId:      told.GetId(),
		SubjectId:    told.GetSubjectId(),
		TargetId:     told.GetTargetId(),
		ScheduleId:   told.GetScheduleId(),
		ValidFrom:    told.GetValidFrom(),
		ValidTo:      told.GetValidTo(),
		MaxUses:      told.GetMaxUses(),
		OverrideRank: told.GetOverrideRank(),
		ShareDepth:   told.GetShareDepth(),
		SharedFromId: told.GetSharedFromId(),
		SharerId:     told.GetSharerId(),
	}
}

func grantRevoked(ch grants.GrantRevoked) *permissionsv1.GrantRevoked {
	return &permissionsv1.GrantRevoked{
		GrantId:     string(ch.Grant.ID),
		SubjectId:   string(ch.Grant.Subject),
		TargetId:    string(ch.Grant.Target),
		EffectiveAt: stamp(ch.Since),
		BecauseOfId: string(ch.Because),
	}
}

func grantKey(org region.ID, g grants.Grant) string {
	return outbox.SiteKey(org, g.Site, "grant", g.ID)
}

// grantState begins when the grant first held without a gap: a gateway whose clock is a little behind the database's must
// not close a door for the moment after an update.
func grantState(g grants.Grant) *permissionsv1.GrantState {
	told := contract.Grant(g)
	return &permissionsv1.GrantState{
		SubjectId:    told.GetSubjectId(),
		TargetId:     told.GetTargetId(),
		ScheduleId:   told.GetScheduleId(),
		ValidFrom:    told.GetValidFrom(),
		ValidTo:      told.GetValidTo(),
		MaxUses:      told.GetMaxUses(),
		OverrideRank: told.GetOverrideRank(),
		SharedFromId: told.GetSharedFromId(),
		SharerId:     told.GetSharerId(),
	}
}

// membershipKey has both ids as its last word: a fact for each pair.
func membershipKey(org, group, member region.ID) string {
	return outbox.OrgKey(org, "membership", group+"-"+member)
}

func membershipState(group, member region.ID) *permissionsv1.MembershipState {
	return &permissionsv1.MembershipState{GroupId: string(group), MemberId: string(member)}
}
