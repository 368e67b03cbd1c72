package permissions_test

import (
	"fmt"
	"slices"
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
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// border is an organization of the EU with a site in the US: two services, two databases, two brokers.
type border struct {
	eu, us     *permissionstest.Service
	home, over *permissionstest.Tenant // the same organization, building here and there
	door       string                  // over there
}

func newBorder(t *testing.T) *border {
	t.Helper()
	mesh := rpctest.New(t)
	b := &border{eu: permissionstest.Start(t, mesh, central), us: permissionstest.Start(t, mesh, us)}
	b.home = b.eu.Tenant(t, central)
	b.over = b.us.TenantOf(b.home.Org, us)
	b.door = b.over.Door(t, b.over.Site(t, "America/New_York"))
	return b
}

// follows returns what identity of the EU was told, as "+person" and "-person".
func (b *border) follows(t *testing.T) []string {
	t.Helper()
	var told []string
	for _, ev := range b.eu.Broker.Events("") {
		switch ev.GetKind() {
		case "person_followed":
			var p permissionsv1.PersonFollowed
			unmarshal(t, ev, &p)
			told = append(told, "+"+p.GetPersonId()+" "+p.GetFollowerRegion())
		case "person_unfollowed":
			var p permissionsv1.PersonUnfollowed
			unmarshal(t, ev, &p)
			told = append(told, "-"+p.GetPersonId()+" "+p.GetFollowerRegion())
		}
	}
	return told
}

func unmarshal(t *testing.T, ev *typev1.Event, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(ev.GetPayload(), into); err != nil {
		t.Fatal(err)
	}
}

func (b *border) waitFollows(t *testing.T, want ...string) {
	t.Helper()
	b.eu.Broker.Wait(t, fmt.Sprint("identity is told ", want), func() bool { return len(b.follows(t)) >= len(want) })
	got := b.follows(t)
	sorted := slices.Clone(got)
	if slices.Sort(sorted); !slices.Equal(sorted, slices.Sorted(slices.Values(want))) {
		t.Fatalf("identity was told %v, want %v", got, want)
	}
}

// waitMay polls a question: what crosses the border arrives when it does.
func (b *border) waitMay(t *testing.T, person string, want permissionsv1.DecisionReason) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		got := b.over.May(t, person, b.door, time.Time{})
		if got.GetReason() == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %v, want %v", got, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAGrantOverThereBringsThePersonsDigestsAndItsEndTakesThemBack(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	person := b.home.Person(t)
	one := b.over.Let(t, person, b.door, "")
	b.waitMay(t, person, granted)
	b.waitFollows(t, "+"+person+" us-east")
	two := b.over.Let(t, person, b.door, "") // a second reason: nothing new to tell
	b.over.End(t, one)                       // one reason is left
	b.over.End(t, two)
	b.waitFollows(t, "+"+person+" us-east", "-"+person+" us-east")
	b.over.Let(t, person, b.door, "")
	b.waitFollows(t, "+"+person+" us-east", "-"+person+" us-east", "+"+person+" us-east")
}

func TestAGroupOverThereIsAsTheHomeHasIt(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	ana, bob := b.home.Person(t), b.home.Person(t)
	inner := b.home.Group(t, bob)
	outer := b.home.Group(t, ana, inner)
	grant := b.over.Let(t, outer, b.door, "")
	b.waitMay(t, ana, granted)
	b.waitMay(t, bob, granted)
	b.waitFollows(t, "+"+ana+" us-east", "+"+bob+" us-east")

	b.home.Take(t, inner, bob)
	b.waitMay(t, bob, noGrant)
	b.waitFollows(t, "+"+ana+" us-east", "+"+bob+" us-east", "-"+bob+" us-east")
	eva := b.home.Person(t)
	b.home.Add(t, inner, eva)
	b.waitMay(t, eva, granted)

	key := func(group, member string) string {
		return string(b.home.Org) + ".org.membership." + group + "-" + member
	}
	want := slices.Sorted(slices.Values([]string{key(outer, ana), key(outer, inner), key(inner, eva)}))
	prefix := string(b.home.Org) + ".org."
	b.us.Broker.Wait(t, "the copies in the US bucket", func() bool { return slices.Equal(b.us.Broker.Keys(us, prefix), want) })

	b.over.End(t, grant)
	b.us.Broker.Wait(t, "the end of the copies", func() bool { return len(b.us.Broker.Keys(us, prefix)) == 0 })
	b.waitFollows(t, "+"+ana+" us-east", "+"+bob+" us-east", "-"+bob+" us-east", "+"+eva+" us-east", "-"+ana+" us-east", "-"+eva+" us-east")

	before := len(b.us.Broker.Events("memberships_received"))
	b.home.Add(t, outer, b.home.Person(t)) // nobody follows any more
	b.eu.Broker.WaitHead(t, central, b.home.Token)
	if after := len(b.us.Broker.Events("memberships_received")); after != before {
		t.Fatalf("the US received %d more copies after the last grant's end", after-before)
	}
}

func TestThePastOfACopyIsKept(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	person := b.home.Person(t)
	group := b.home.Group(t, person)
	b.over.Let(t, group, b.door, "")
	b.waitMay(t, person, granted)
	held := time.Now()
	b.home.Take(t, group, person)
	b.waitMay(t, person, noGrant)
	for at, want := range map[time.Time]int{held: 1, time.Now().Add(time.Minute): 0} {
		got := everybody(t, b.over, &permissionsv1.AccessAtRequest{DoorId: b.door, At: timestamppb.New(at)})
		if len(got) != want {
			t.Errorf("at %v: %v, want %d", at, got, want)
		}
	}
}

func TestAForeignerInAGroupOfOursIsFollowedWhereAGrantNamesTheGroup(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	person := b.home.Person(t)       // of the EU
	group := b.over.Group(t, person) // in a group of the US
	if got := b.follows(t); len(got) != 0 {
		t.Fatalf("followed without a grant: %v", got)
	}
	grant := b.over.Let(t, group, b.door, "")
	b.waitFollows(t, "+"+person+" us-east")
	b.over.Take(t, group, person)
	b.waitFollows(t, "+"+person+" us-east", "-"+person+" us-east")
	b.over.Add(t, group, person)
	b.over.End(t, grant)
	b.waitFollows(t, "+"+person+" us-east", "-"+person+" us-east", "+"+person+" us-east", "-"+person+" us-east")
}

func TestAGroupOfOursInsideACopyMayHoldAForeigner(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	person := b.home.Person(t)
	ours := b.over.Group(t, person)   // US group with an EU person
	theirs := b.home.Group(t, ours)   // EU group with the US group
	b.over.Let(t, theirs, b.door, "") // US grant to the EU group
	b.waitMay(t, person, granted)
	b.waitFollows(t, "+"+person+" us-east")
	b.home.Take(t, theirs, ours)
	b.waitMay(t, person, noGrant)
	b.waitFollows(t, "+"+person+" us-east", "-"+person+" us-east")
}

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

// Both regions of the EU grant to one US group: one of them receives for both, so that versions only rise.
func TestOneRegionOfAJurisdictionReceivesForAll(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	home := permissionstest.Start(t, mesh, us)
	eu := permissionstest.Start(t, mesh, central)
	there := home.Tenant(t, us)
	inCentral, inWest := eu.TenantOf(there.Org, central), eu.TenantOf(there.Org, west)
	person := there.Person(t)
	group := there.Group(t, person)
	doorCentral := inCentral.Door(t, inCentral.Site(t, "UTC"))
	doorWest := inWest.Door(t, inWest.Site(t, "UTC"))
	one := inWest.Let(t, group, doorWest, "")
	two := inCentral.Let(t, group, doorCentral, "")
	received := func(n int) func() bool {
		return func() bool { return len(eu.Broker.Events("memberships_received")) >= n }
	}
	eu.Broker.Wait(t, "the copy", received(1))
	wantDecision(t, inWest.May(t, person, doorWest, time.Time{}), granted, one, "")
	wantDecision(t, inCentral.May(t, person, doorCentral, time.Time{}), granted, two, "")

	inWest.End(t, one) // the first to follow leaves; the other still needs the copy
	second := there.Person(t)
	there.Add(t, group, second)
	eu.Broker.Wait(t, "the change", received(2))
	wantDecision(t, inCentral.May(t, second, doorCentral, time.Time{}), granted, two, "")
	inCentral.End(t, two)
	eu.Broker.Wait(t, "the withdrawal", received(3))
	for _, ev := range eu.Broker.Events("memberships_received") {
		if ev.GetRegion() != "eu-west" {
			t.Errorf("received in %s, the first to ask was eu-west", ev.GetRegion())
		}
	}
	if keys := eu.Broker.Keys(central, string(there.Org)+".org."); len(keys) != 0 {
		t.Errorf("left behind: %v", keys)
	}
}
