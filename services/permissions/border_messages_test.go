package permissions_test

import (
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func TestARegionCutOffIsToldWhenItIsBack(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	over := permissionstest.Start(t, mesh, us)
	home := region.NewID(region.Organization, "euc")
	tenant := over.TenantOf(home, us)
	door := tenant.Door(t, tenant.Site(t, "UTC"))
	person := string(region.NewID(region.Person, "euc"))
	tenant.Let(t, person, door, "") // the EU is not there yet
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, tenant.May(t, person, door, time.Time{}).GetGrantId(), "")
	eu := permissionstest.Start(t, mesh, central)
	eu.Broker.Wait(t, "the follow request", func() bool { return len(eu.Broker.Events("person_followed")) == 1 })
}

func TestOldAndRepeatedMessagesOfOtherJurisdictionsChangeNothing(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	person, group := b.home.Person(t), b.home.Group(t)
	fromUS := b.us.Mesh.Dialer(t, "permissions", us)
	home := permissionsv1connect.NewPermissionsServiceClient(fromUS.HTTPClient("permissions"), fromUS.URL("permissions", central), fromUS.Options()...)
	org := string(b.home.Org)
	follow := func(wanted bool, version int64) *typev1.ConsistencyToken {
		t.Helper()
		out, err := home.Follow(t.Context(), &permissionsv1.FollowRequest{
			OrgId: org, SubjectId: person, FollowerRegion: "us-east", Wanted: wanted,
			Source: &typev1.ConsistencyToken{Service: "permissions", Region: "us-east", OrgId: org, Version: version},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.GetToken()
	}
	if follow(true, 10) == nil || follow(true, 10) != nil || follow(false, 9) != nil {
		t.Fatal("a repeated or older request was taken")
	}
	b.waitFollows(t, "+"+person+" us-east")
	if follow(false, 11) == nil {
		t.Fatal("a newer request was not taken")
	}
	b.waitFollows(t, "+"+person+" us-east", "-"+person+" us-east")

	fromEU := b.eu.Mesh.Dialer(t, "permissions", central)
	over := permissionsv1connect.NewPermissionsServiceClient(fromEU.HTTPClient("permissions"), fromEU.URL("permissions", us), fromEU.Options()...)
	receive := func(version int64, members ...string) *typev1.ConsistencyToken {
		t.Helper()
		out, err := over.ReceiveMemberships(t.Context(), &permissionsv1.ReceiveMembershipsRequest{
			OrgId: org, Region: "us-east", GroupId: group, MemberIds: members,
			Source: &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: org, Version: version},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.GetToken()
	}
	receive(20, person)
	if receive(19) != nil || receive(20) != nil {
		t.Fatal("a repeated or older membership was taken")
	}
	b.us.Broker.Wait(t, "the copy", func() bool { return len(b.us.Broker.Keys(us, org+".org.membership."+group+"-"+person)) == 1 })
	if got := b.us.Broker.Record(us, org+".org.membership."+group+"-"+person).GetVersion(); got != 20 {
		t.Errorf("the copy's fact has version %d, want the source's 20", got)
	}

	// A request about a group that is not there must not stop the sender's queue.
	out, err := home.Follow(t.Context(), &permissionsv1.FollowRequest{
		OrgId: org, SubjectId: string(region.NewID(region.Group, "euc")), FollowerRegion: "us-east", Wanted: true,
		Source: &typev1.ConsistencyToken{Service: "permissions", Region: "us-east", OrgId: org, Version: 12},
	})
	if err != nil || out.GetToken() != nil {
		t.Fatalf("an unknown group: %v, %v", out, err)
	}
}

func TestAServiceSpeaksForItsOwnJurisdictionOnly(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	fromUS := b.us.Mesh.Dialer(t, "permissions", us)
	client := permissionsv1connect.NewPermissionsServiceClient(fromUS.HTTPClient("permissions"), fromUS.URL("permissions", us), fromUS.Options()...)
	_, err := client.ReceiveMemberships(t.Context(), &permissionsv1.ReceiveMembershipsRequest{
		OrgId: string(b.home.Org), Region: "us-east", GroupId: b.home.Group(t), MemberIds: []string{b.home.Person(t)},
		Source: &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: string(b.home.Org), Version: 1 << 40},
	})
	if !fault.Is(err, faultv1.Reason_REASON_MISSING_PERMISSION) {
		t.Fatalf("got %v", err)
	}
	identity := b.us.Mesh.Dialer(t, "identity", us)
	stranger := permissionsv1connect.NewPermissionsServiceClient(identity.HTTPClient("permissions"), identity.URL("permissions", us), identity.Options()...)
	_, err = stranger.Follow(t.Context(), &permissionsv1.FollowRequest{OrgId: string(b.home.Org), SubjectId: b.home.Person(t), FollowerRegion: "us-east"})
	if !fault.Is(err, faultv1.Reason_REASON_MISSING_PERMISSION) {
		t.Fatalf("identity: got %v", err)
	}
}
