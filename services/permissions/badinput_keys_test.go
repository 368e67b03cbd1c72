package permissions_test

import (
	"strings"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// keyCalls makes the calls about groups and grants, each with one wrong field.
type keyCalls struct {
	t                          *testing.T
	tenant                     *permissionstest.Tenant
	org                        string
	door, person, group, grant string
	westSchedule               string
	groupEtag, grantEtag       string
}

func (k *keyCalls) grantWith(change func(*permissionsv1.GrantRequest)) error {
	req := &permissionsv1.GrantRequest{OrgId: k.org, SubjectId: k.person, TargetId: k.door, IdempotencyKey: k.tenant.Once()}
	change(req)
	return errOf(k.tenant.Grant(k.t.Context(), req))
}

func (k *keyCalls) updateWith(change func(*permissionsv1.UpdateGrantRequest)) error {
	req := &permissionsv1.UpdateGrantRequest{OrgId: k.org, GrantId: k.grant, Etag: k.grantEtag, MaxUses: 1}
	change(req)
	return errOf(k.tenant.UpdateGrant(k.t.Context(), req))
}

func (k *keyCalls) list(req *permissionsv1.ListGrantsRequest) error {
	req.OrgId = k.org
	return errOf(k.tenant.ListGrants(k.t.Context(), req))
}

func (k *keyCalls) rename(group, name, etag string) error {
	return errOf(k.tenant.UpdateGroup(k.t.Context(), &permissionsv1.UpdateGroupRequest{OrgId: k.org, GroupId: group, Name: name, Etag: etag}))
}

func (k *keyCalls) late(at *timestamppb.Timestamp) map[string]error {
	ctx := k.t.Context()
	return map[string]error{
		"add":    errOf(k.tenant.AddMember(ctx, &permissionsv1.AddMemberRequest{OrgId: k.org, GroupId: k.group, MemberId: k.person, EffectiveAt: at})),
		"remove": errOf(k.tenant.RemoveMember(ctx, &permissionsv1.RemoveMemberRequest{OrgId: k.org, GroupId: k.group, MemberId: k.person, EffectiveAt: at})),
		"revoke": errOf(k.tenant.Revoke(ctx, &permissionsv1.RevokeRequest{OrgId: k.org, GrantId: k.grant, EffectiveAt: at})),
	}
}

func TestEachBadInputAboutKeysHasItsOwnErrorAndWritesNothing(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	svc := permissionstest.Start(t, mesh, central)
	permissionstest.StartWith(t, mesh, west, permissionstest.Options{Database: svc.Database})
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	site := tenant.Site(t, "UTC")
	k := &keyCalls{
		t: t, tenant: tenant, org: string(tenant.Org), door: tenant.Door(t, site), person: tenant.Person(t), group: tenant.Group(t),
		westSchedule: there.Schedule(t, there.Site(t, "UTC"), officeHours()),
	}
	k.grant = tenant.Let(t, k.person, k.door, "")
	k.grantEtag, k.groupEtag = tenant.TheGrant(t, k.grant).GetEtag(), tenant.TheGroup(t, k.group).GetEtag()
	id := func(kind region.Kind, code region.Code) string { return string(region.NewID(kind, code)) }
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(d)) }

	before := countRows(t, svc)
	for name, c := range map[string]struct {
		err  error
		want faultv1.Reason
	}{
		"fewer than no uses":     {k.grantWith(func(r *permissionsv1.GrantRequest) { r.MaxUses = -1 }), faultv1.Reason_REASON_INVALID_FIELD},
		"uses without end":       {k.grantWith(func(r *permissionsv1.GrantRequest) { r.MaxUses = 1_000_001 }), faultv1.Reason_REASON_INVALID_FIELD},
		"a rank beyond all":      {k.grantWith(func(r *permissionsv1.GrantRequest) { r.OverrideRank = 10 }), faultv1.Reason_REASON_INVALID_FIELD},
		"a negative rank":        {k.grantWith(func(r *permissionsv1.GrantRequest) { r.OverrideRank = -1 }), faultv1.Reason_REASON_INVALID_FIELD},
		"shared too deep":        {k.grantWith(func(r *permissionsv1.GrantRequest) { r.ShareDepth = 5 }), faultv1.Reason_REASON_INVALID_FIELD},
		"update without etag":    {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.Etag = "" }), faultv1.Reason_REASON_INVALID_FIELD},
		"update, other etag":     {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.Etag = "v0" }), faultv1.Reason_REASON_CONFLICT},
		"update of nothing":      {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.GrantId = id(region.Grant, "euc") }), faultv1.Reason_REASON_NOT_FOUND},
		"update of a door":       {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.GrantId = k.door }), faultv1.Reason_REASON_WRONG_ID_KIND},
		"update, no schedule":    {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.ScheduleId = id(region.Schedule, "euc") }), faultv1.Reason_REASON_NOT_FOUND},
		"update, far schedule":   {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.ScheduleId = k.westSchedule }), faultv1.Reason_REASON_OTHER_HOME},
		"update, uses":           {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.MaxUses = -1 }), faultv1.Reason_REASON_INVALID_FIELD},
		"update, rank":           {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.OverrideRank = 10 }), faultv1.Reason_REASON_INVALID_FIELD},
		"update, depth":          {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.ShareDepth = 5 }), faultv1.Reason_REASON_INVALID_FIELD},
		"update, ended":          {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.ValidTo = at(-time.Second) }), faultv1.Reason_REASON_CLOCK_NONSENSE},
		"update, ends too early": {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.ValidFrom, r.ValidTo = at(2*time.Hour), at(time.Hour) }), faultv1.Reason_REASON_CLOCK_NONSENSE},
		"update into the past":   {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.ValidFrom = at(-time.Hour) }), faultv1.Reason_REASON_CLOCK_NONSENSE},
		"update, no time":        {k.updateWith(func(r *permissionsv1.UpdateGrantRequest) { r.ValidTo = &timestamppb.Timestamp{Seconds: 1 << 60} }), faultv1.Reason_REASON_CLOCK_NONSENSE},
		"list of a person":       {k.list(&permissionsv1.ListGrantsRequest{TargetId: k.person}), faultv1.Reason_REASON_WRONG_ID_KIND},
		"list to a door":         {k.list(&permissionsv1.ListGrantsRequest{TargetId: k.door, SubjectId: k.door}), faultv1.Reason_REASON_WRONG_ID_KIND},
		"list of two":            {k.list(&permissionsv1.ListGrantsRequest{TargetId: k.door, Region: "eu-central"}), faultv1.Reason_REASON_INVALID_FIELD},
		"list, garbage token":    {k.list(&permissionsv1.ListGrantsRequest{TargetId: k.door, PageToken: "garbage"}), faultv1.Reason_REASON_INVALID_FIELD},
		"list, large page":       {k.list(&permissionsv1.ListGrantsRequest{TargetId: k.door, PageSize: 1001}), faultv1.Reason_REASON_INVALID_FIELD},
		"list, unknown commit": {k.list(&permissionsv1.ListGrantsRequest{TargetId: k.door, AtLeast: []*typev1.ConsistencyToken{
			{Service: "permissions", Region: "eu-central", OrgId: k.org, Version: 1 << 40}}}), faultv1.Reason_REASON_NOT_FRESH_ENOUGH},
		"rename to spaces":    {k.rename(k.group, "  ", k.groupEtag), faultv1.Reason_REASON_INVALID_FIELD},
		"rename, two lines":   {k.rename(k.group, "a\nb", k.groupEtag), faultv1.Reason_REASON_INVALID_FIELD},
		"rename, long":        {k.rename(k.group, strings.Repeat("x", 101), k.groupEtag), faultv1.Reason_REASON_INVALID_FIELD},
		"rename without etag": {k.rename(k.group, "A", ""), faultv1.Reason_REASON_INVALID_FIELD},
		"rename, other etag":  {k.rename(k.group, "A", "v0"), faultv1.Reason_REASON_CONFLICT},
		"rename of nothing":   {k.rename(id(region.Group, "euc"), "A", "v1"), faultv1.Reason_REASON_NOT_FOUND},
		"rename of a door":    {k.rename(k.door, "A", "v1"), faultv1.Reason_REASON_WRONG_ID_KIND},
		"delete of nothing":   {deleteGroup(t, tenant, id(region.Group, "euc"), "v1"), faultv1.Reason_REASON_NOT_FOUND},
		"members of nobody": {errOf(tenant.ListMembers(t.Context(), &permissionsv1.ListMembersRequest{OrgId: k.org, GroupId: id(region.Group, "euc")})),
			faultv1.Reason_REASON_NOT_FOUND},
		"groups of nowhere": {errOf(tenant.ListGroups(t.Context(), &permissionsv1.ListGroupsRequest{OrgId: k.org, Region: "atlantis"})),
			faultv1.Reason_REASON_UNKNOWN_REGION},
		"a leaver who is a group": {errOf(tenant.EndAccess(t.Context(), &permissionsv1.EndAccessRequest{OrgId: k.org, Region: "eu-central", PersonId: k.group})),
			faultv1.Reason_REASON_WRONG_ID_KIND},
	} {
		t.Run(name, func(t *testing.T) {
			if !fault.Is(c.err, c.want) {
				t.Errorf("got %v, want %v", c.err, c.want)
			}
		})
	}
	for _, when := range []*timestamppb.Timestamp{at(time.Hour), {Seconds: 1 << 60}} {
		for name, err := range k.late(when) {
			if !fault.Is(err, faultv1.Reason_REASON_CLOCK_NONSENSE) {
				t.Errorf("%s, effective at %v: %v", name, when, err)
			}
		}
	}
	if after := countRows(t, svc); after != before {
		t.Errorf("%d rows became %d", before, after)
	}
}
