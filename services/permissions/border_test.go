package permissions_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
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
	change := eu.Broker.Events("memberships_received")[1]
	inCentral.Token = &typev1.ConsistencyToken{
		Service: permissions.Service, Region: change.GetRegion(), OrgId: change.GetOrgId(), Version: change.GetOrgVersion(),
	}
	wantDecision(t, inCentral.May(t, second, doorCentral, time.Time{}), granted, two, "")
	inCentral.End(t, two)
	eu.Broker.Wait(t, "the withdrawal", received(3))
	for _, ev := range eu.Broker.Events("memberships_received") {
		if ev.GetRegion() != "eu-west" {
			t.Errorf("received in %s, the first to ask was eu-west", ev.GetRegion())
		}
	}
	for _, target := range []region.Name{central, west} {
		eu.Broker.Wait(t, "the end of the copies", func() bool { return len(eu.Broker.Keys(target, string(there.Org)+".org.")) == 0 })
	}
}
