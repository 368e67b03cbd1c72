package access

import (
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
)

type grant struct{ policy.Grant }

func grantOf(k factKey, m *permissionsv1.GrantState) fact {
	return grant{policy.Grant{
		ID: policy.GrantID(k.id), Subject: policy.SubjectID(m.GetSubjectId()), Target: policy.TargetID(m.GetTargetId()),
		Schedule: policy.ScheduleID(m.GetScheduleId()), ValidFrom: moment(m.GetValidFrom()), ValidTo: moment(m.GetValidTo()),
		MaxUses: int(m.GetMaxUses()), OverrideRank: int(m.GetOverrideRank()),
		SharedFrom: policy.GrantID(m.GetSharedFromId()), Sharer: policy.PersonID(m.GetSharerId()),
	}}
}

func (g grant) at() pair { return pair{g.Subject, g.Target} }

func (g grant) add(o *organization) {
	addTo(o.grants, g.at(), g.Grant)
	o.grantAt[g.ID] = g.at()
	o.addGrantee(g.at())
}

func (g grant) remove(o *organization) {
	removeFrom(o.grants, g.at(), func(other policy.Grant) bool { return other.ID == g.ID })
	delete(o.grantAt, g.ID)
	if len(o.grants[g.at()]) == 0 {
		o.removeGrantee(g.at())
	}
}
