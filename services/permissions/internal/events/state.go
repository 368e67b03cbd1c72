package events

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func grantKey(org region.ID, g grants.Grant) string {
	return outbox.SiteKey(org, g.Site, "grant", g.ID)
}

func grantState(g grants.Grant) *permissionsv1.GrantState {
	return &permissionsv1.GrantState{
		SubjectId:  string(g.Subject),
		TargetId:   string(g.Target),
		ScheduleId: string(g.Schedule),
		ValidFrom:  stamp(g.Validity.From),
		ValidTo:    stamp(g.Validity.To),
	}
}

// membershipKey has both ids as its last word: a fact for each pair.
func membershipKey(org, group, member region.ID) string {
	return outbox.OrgKey(org, "membership", group+"-"+member)
}

func membershipState(group, member region.ID) *permissionsv1.MembershipState {
	return &permissionsv1.MembershipState{GroupId: string(group), MemberId: string(member)}
}
