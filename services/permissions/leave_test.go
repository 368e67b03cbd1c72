package permissions_test

import (
	"slices"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func endAccess(t *testing.T, tenant *permissionstest.Tenant, person string) *permissionsv1.EndAccessResponse {
	t.Helper()
	out, err := tenant.EndAccess(t.Context(), &permissionsv1.EndAccessRequest{
		OrgId: string(tenant.Org), Region: string(tenant.Home), PersonId: person,
	})
	if err != nil {
		t.Fatal(err)
	}
	tenant.Token = out.GetToken()
	return out
}

func TestALeaverLosesEverythingOfARegionAtOnce(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	site := tenant.Site(t, "UTC")
	door, westDoor := tenant.Door(t, site), there.Door(t, there.Site(t, "UTC"))
	leaver, friend, colleague := tenant.Person(t), tenant.Person(t), tenant.Person(t)
	team, second := tenant.Group(t, leaver, colleague), tenant.Group(t, leaver)
	westTeam := there.Group(t, leaver)
	own := tenant.LetShare(t, leaver, door, 2)
	teams := tenant.LetShare(t, team, door, 1)
	there.Let(t, leaver, westDoor, "")
	shared := tenant.Share(t, own, leaver, friend, 1)
	below := tenant.Share(t, shared, friend, colleague, 0)
	fromTeam := tenant.Share(t, teams, leaver, friend, 0)
	byColleague := tenant.Share(t, teams, colleague, friend, 0)

	out := endAccess(t, tenant, leaver)
	if out.GetGrants() != 4 || out.GetMemberships() != 2 { // own, shared, below, fromTeam
		t.Errorf("ended %v", out)
	}
	for id, want := range map[string]bool{own: true, shared: true, below: true, fromTeam: true, teams: false, byColleague: false} {
		if got := tenant.TheGrant(t, id).GetRevoked(); got != want {
			t.Errorf("%s: revoked %v, want %v", id, got, want)
		}
	}
	wantDecision(t, tenant.May(t, leaver, door, time.Time{}), noGrant, "", "")
	for group, want := range map[string][]string{team: {colleague}, second: nil, westTeam: {leaver}} {
		members, err := tenant.ListMembers(t.Context(), &permissionsv1.ListMembersRequest{OrgId: string(tenant.Org), GroupId: group})
		if err != nil || !slices.Equal(members.GetMemberIds(), want) {
			t.Errorf("members %v, %v, want %v", members.GetMemberIds(), err, want)
		}
	}
	svc.Broker.WaitHead(t, west, tenant.Token)
	for _, key := range svc.Broker.Keys(west, string(tenant.Org)+".org.membership.") {
		if key != string(tenant.Org)+".org.membership."+team+"-"+colleague && key != string(tenant.Org)+".org.membership."+westTeam+"-"+leaver {
			t.Errorf("the gateways still have %s", key)
		}
	}
	version := out.GetToken().GetVersion()
	if again := endAccess(t, tenant, leaver); again.GetGrants()+again.GetMemberships() != 0 || again.GetToken().GetVersion() != version {
		t.Errorf("again: %v", again)
	}
	if west := endAccess(t, there, leaver); west.GetGrants() != 1 || west.GetMemberships() != 1 {
		t.Errorf("in the other region: %v", west)
	}
}

// The leaver is of another jurisdiction: nobody needs to follow them any more.
func TestALeaverFromAcrossTheBorderIsFollowedNoMore(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	person := b.home.Person(t)
	group := b.over.Group(t, person)
	b.over.Let(t, group, b.door, "")
	b.over.Let(t, person, b.door, "")
	b.waitFollows(t, "+"+person+" us-east")
	if out := endAccess(t, b.over, person); out.GetGrants() != 1 || out.GetMemberships() != 1 {
		t.Errorf("ended %v", out)
	}
	b.waitFollows(t, "+"+person+" us-east", "-"+person+" us-east")
}
