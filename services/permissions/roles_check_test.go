package permissions_test

import (
	"testing"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func TestARoleOfASitePermitsThereUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	n := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	here, there, manager := n.Site(t, "UTC"), n.Site(t, "UTC"), n.Person(t)
	group := n.Group(t, manager)
	assigned, err := n.AssignRole(t.Context(), &permissionsv1.AssignRoleRequest{
		OrgId: string(n.Org), SiteId: here, SubjectId: group, Role: permissionsv1.Role_ROLE_SITE_MANAGER, IdempotencyKey: n.Once(),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Token = assigned.GetToken()
	permitted := func(site, at, permission string) string {
		t.Helper()
		out, err := n.CheckRole(t.Context(), &permissionsv1.CheckRoleRequest{
			OrgId: string(n.Org), SiteId: site, Region: at, PersonId: manager, Permission: permission, AtLeast: tokens(n),
		})
		if err != nil || out.GetPermitted() != (out.GetRoleId() != "") || out.GetRevision().GetVersion() != n.Token.GetVersion() {
			t.Fatal(out, err)
		}
		return out.GetRoleId()
	}
	if got := permitted(here, "", "grants.write"); got != assigned.GetRoleId() {
		t.Errorf("there: %q", got)
	}
	for _, q := range [][3]string{{there, "", "grants.write"}, {"", "eu-central", "grants.write"}, {here, "", "roles.write"}} {
		if got := permitted(q[0], q[1], q[2]); got != "" {
			t.Errorf("%v by %s", q, got)
		}
	}
	revoked, err := n.RevokeRole(t.Context(), &permissionsv1.RevokeRoleRequest{OrgId: string(n.Org), RoleId: assigned.GetRoleId()})
	if err != nil {
		t.Fatal(err)
	}
	n.Token = revoked.GetToken()
	if got := permitted(here, "", "grants.write"); got != "" {
		t.Errorf("still, by %s", got)
	}
	_, err = n.CheckRole(t.Context(), &permissionsv1.CheckRoleRequest{
		OrgId: string(n.Org), SiteId: string(region.NewID(region.Site, "euc")), PersonId: manager, Permission: "grants.write",
	})
	if !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
		t.Errorf("a site that is not there: %v", err)
	}
	_, err = n.CheckRole(t.Context(), &permissionsv1.CheckRoleRequest{OrgId: string(n.Org), SiteId: here, Region: "eu-central", PersonId: manager, Permission: "grants.write"})
	if !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("both places: %v", err)
	}
	_, err = n.CheckRole(t.Context(), &permissionsv1.CheckRoleRequest{OrgId: string(n.Org), SiteId: here, PersonId: manager, Permission: "grant.write"})
	if !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("a permission that no call declares: %v", err)
	}
}
