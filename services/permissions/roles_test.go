package permissions_test

import (
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func listRoles(t *testing.T, tenant *permissionstest.Tenant, size int32) []*permissionsv1.RoleAssignment {
	t.Helper()
	return pages(t, func(token string) ([]*permissionsv1.RoleAssignment, string, error) {
		out, err := tenant.ListRoles(t.Context(), &permissionsv1.ListRolesRequest{
			OrgId: string(tenant.Org), Region: string(tenant.Home), PageSize: size, PageToken: token,
		})
		return out.GetRoles(), out.GetNextPageToken(), err
	})
}

func TestARoleIsAssignedListedAndRevoked(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	site, person, group := tenant.Site(t, "UTC"), tenant.Person(t), there.Group(t)
	until := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	org := string(tenant.Org)
	assign := func(req *permissionsv1.AssignRoleRequest) string {
		t.Helper()
		req.OrgId, req.IdempotencyKey = org, tenant.Once()
		out, err := tenant.AssignRole(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		tenant.Token = out.GetToken()
		return out.GetRoleId()
	}
	everywhere := assign(&permissionsv1.AssignRoleRequest{Region: "eu-central", SubjectId: person, Role: permissionsv1.Role_ROLE_ORG_ADMIN})
	here := assign(&permissionsv1.AssignRoleRequest{
		SiteId: site, SubjectId: group, Role: permissionsv1.Role_ROLE_INSTALLER, ValidTo: timestamppb.New(until),
	})
	found := listRoles(t, tenant, 1)
	if ids := idsOf(found); !slices.Equal(ids, slices.Sorted(slices.Values([]string{everywhere, here}))) {
		t.Fatalf("listed %v", found)
	}
	for _, r := range found {
		if r.GetId() == here && (r.GetSiteId() != site || r.GetSubjectId() != group || r.GetRole() != permissionsv1.Role_ROLE_INSTALLER || !r.GetValidTo().AsTime().Equal(until)) {
			t.Errorf("at the site: %v", r)
		}
	}
	version := int64(0)
	for range 2 { // the second time is none
		out, err := tenant.RevokeRole(t.Context(), &permissionsv1.RevokeRoleRequest{OrgId: org, RoleId: everywhere})
		if err != nil || version != 0 && out.GetToken().GetVersion() != version {
			t.Fatalf("%v, %v, version %d", out, err, version)
		}
		version = out.GetToken().GetVersion()
	}
	if ids := idsOf(listRoles(t, tenant, 0)); !slices.Equal(ids, []string{here}) {
		t.Errorf("after the revocation: %v", ids)
	}
	svc.Broker.Wait(t, "the events", func() bool { return len(svc.Broker.Events("role_revoked")) == 1 })
	var told permissionsv1.RoleAssigned
	unmarshal(t, svc.Broker.Events("role_assigned")[1], &told)
	if told.GetRole().GetId() != here || len(svc.Broker.Events("role_assigned")) != 2 {
		t.Errorf("told %v", &told)
	}
}

func TestRolesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site, person := tenant.Site(t, "UTC"), tenant.Person(t)
	admin := permissionsv1.Role_ROLE_ORG_ADMIN
	id := func(kind region.Kind, code region.Code) string { return string(region.NewID(kind, code)) }
	for name, c := range map[string]struct {
		req  *permissionsv1.AssignRoleRequest
		want faultv1.Reason
	}{
		"no role":                {&permissionsv1.AssignRoleRequest{SiteId: site, SubjectId: person}, faultv1.Reason_REASON_INVALID_FIELD},
		"a role that is none":    {&permissionsv1.AssignRoleRequest{SiteId: site, SubjectId: person, Role: 99}, faultv1.Reason_REASON_INVALID_FIELD},
		"a site and a region":    {&permissionsv1.AssignRoleRequest{SiteId: site, Region: "eu-central", SubjectId: person, Role: admin}, faultv1.Reason_REASON_INVALID_FIELD},
		"a site that is not":     {&permissionsv1.AssignRoleRequest{SiteId: id(region.Site, "euc"), SubjectId: person, Role: admin}, faultv1.Reason_REASON_NOT_FOUND},
		"a door for a site":      {&permissionsv1.AssignRoleRequest{SiteId: id(region.Door, "euc"), SubjectId: person, Role: admin}, faultv1.Reason_REASON_WRONG_ID_KIND},
		"a site for a person":    {&permissionsv1.AssignRoleRequest{SiteId: site, SubjectId: site, Role: admin}, faultv1.Reason_REASON_WRONG_ID_KIND},
		"a group that is not":    {&permissionsv1.AssignRoleRequest{SiteId: site, SubjectId: id(region.Group, "euw"), Role: admin}, faultv1.Reason_REASON_NOT_FOUND},
		"a group of elsewhere":   {&permissionsv1.AssignRoleRequest{SiteId: site, SubjectId: id(region.Group, "use"), Role: admin}, faultv1.Reason_REASON_OTHER_HOME},
		"ended before it begins": {&permissionsv1.AssignRoleRequest{SiteId: site, SubjectId: person, Role: admin, ValidTo: timestamppb.New(time.Now().Add(-time.Hour))}, faultv1.Reason_REASON_CLOCK_NONSENSE},
	} {
		t.Run(name, func(t *testing.T) {
			c.req.OrgId, c.req.IdempotencyKey = string(tenant.Org), tenant.Once()
			if _, err := tenant.AssignRole(t.Context(), c.req); !fault.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := tenant.RevokeRole(t.Context(), &permissionsv1.RevokeRoleRequest{OrgId: string(tenant.Org), RoleId: id(region.Role, "euc")}); !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
		t.Errorf("one that is not there: %v", err)
	}
}
