package permissions_test

import (
	"testing"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// The own organization's id beside another's groups, grants and roles: these are not there.
func TestKeysOfAnotherOrganizationAreNotFound(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	theirs, mine := svc.Tenant(t, central), svc.Tenant(t, central)
	site, person := theirs.Site(t, "UTC"), theirs.Person(t)
	door, group := theirs.Door(t, site), theirs.Group(t, person)
	grant := theirs.LetShare(t, person, door, 1)
	role, err := theirs.AssignRole(t.Context(), &permissionsv1.AssignRoleRequest{
		OrgId: string(theirs.Org), SiteId: site, SubjectId: group, Role: permissionsv1.Role_ROLE_VIEWER, IdempotencyKey: theirs.Once(),
	})
	if err != nil {
		t.Fatal(err)
	}
	myDoor := mine.Door(t, mine.Site(t, "UTC"))
	myGrant := mine.LetShare(t, person, myDoor, 1) // the person's id is anybody's to name
	org, ctx := string(mine.Org), t.Context()
	assign := func(site, subject string) error {
		return errOf(mine.AssignRole(ctx, &permissionsv1.AssignRoleRequest{
			OrgId: org, SiteId: site, SubjectId: subject, Role: permissionsv1.Role_ROLE_VIEWER, IdempotencyKey: mine.Once(),
		}))
	}
	share := func(grant, target string) error {
		return errOf(mine.ShareGrant(ctx, &permissionsv1.ShareGrantRequest{
			OrgId: org, GrantId: grant, SharerId: person, RecipientId: mine.Person(t), TargetId: target, IdempotencyKey: mine.Once(),
		}))
	}
	for name, err := range map[string]error{
		"GetGroup":                  errOf(mine.GetGroup(ctx, &permissionsv1.GetGroupRequest{OrgId: org, GroupId: group})),
		"UpdateGroup":               errOf(mine.UpdateGroup(ctx, &permissionsv1.UpdateGroupRequest{OrgId: org, GroupId: group, Name: "Ours", Etag: "v1"})),
		"DeleteGroup":               errOf(mine.DeleteGroup(ctx, &permissionsv1.DeleteGroupRequest{OrgId: org, GroupId: group, Etag: "v1"})),
		"ListMembers":               errOf(mine.ListMembers(ctx, &permissionsv1.ListMembersRequest{OrgId: org, GroupId: group})),
		"GetGrant":                  errOf(mine.GetGrant(ctx, &permissionsv1.GetGrantRequest{OrgId: org, GrantId: grant})),
		"UpdateGrant":               errOf(mine.UpdateGrant(ctx, &permissionsv1.UpdateGrantRequest{OrgId: org, GrantId: grant, Etag: "v1", MaxUses: 1})),
		"ShareGrant":                share(grant, ""),
		"RevokeRole":                errOf(mine.RevokeRole(ctx, &permissionsv1.RevokeRoleRequest{OrgId: org, RoleId: role.GetRoleId()})),
		"AssignRole at their site":  assign(site, person),
		"AssignRole to their group": assign(mine.Site(t, "UTC"), group),
	} {
		if !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := share(myGrant, door); !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
		t.Errorf("a share of my grant at their door: %v", err)
	}
	// Their lists are theirs, and what leaves with a person leaves in the own organization only.
	list, err := mine.ListGrants(ctx, &permissionsv1.ListGrantsRequest{OrgId: org, TargetId: door})
	if err != nil || len(list.GetGrants()) != 0 {
		t.Errorf("their door's grants: %v, %v", list, err)
	}
	if out := endAccess(t, mine, person); out.GetGrants() != 1 || out.GetMemberships() != 0 {
		t.Errorf("ended %v", out)
	}
	if theirs.TheGrant(t, grant).GetRevoked() || len(listRoles(t, theirs, 0)) != 1 {
		t.Error("theirs ended with mine")
	}
}
