package permissions_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
)

func read[T proto.Message](t *testing.T, svc *permissionstest.Service, target region.Name, key string, into T) T {
	t.Helper()
	record := svc.Broker.Record(target, key)
	if record == nil || record.GetRemoved() {
		t.Fatalf("%s has no fact at %s", target, key)
	}
	if err := proto.Unmarshal(record.GetBody(), into); err != nil {
		t.Fatal(err)
	}
	return into
}

func TestTheAccessStateOfAllRegionsHasWhatAGatewayNeeds(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site, person := tenant.Site(t, "Europe/Madrid"), tenant.Person(t)
	door := tenant.Door(t, site)
	zone, office := tenant.Zone(t, door), tenant.Schedule(t, site, officeHours())
	group := tenant.Group(t, person)
	until := time.Now().Add(24 * time.Hour).Truncate(time.Microsecond)
	grant := tenant.LetFor(t, group, zone, office, time.Time{}, until)
	org := string(tenant.Org)
	for _, target := range []region.Name{central, west} {
		svc.Broker.WaitHead(t, target, tenant.Token)
		want := []string{
			org + ".head.permissions.eu-central",
			org + ".org.membership." + group + "-" + person,
			org + ".site." + site + ".door." + door,
			org + ".site." + site + ".grant." + grant,
			org + ".site." + site + ".schedule." + office,
			org + ".site." + site + ".zone." + zone,
		}
		if got := svc.Broker.Keys(target, org); !slices.Equal(got, want) {
			t.Fatalf("%s has\n%s\nwant\n%s", target, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		d := read(t, svc, target, want[2], &permissionsv1.DoorState{})
		if d.GetTimeZone() != "Europe/Madrid" || !slices.Equal(d.GetZoneIds(), []string{zone}) || d.GetUnlockFor().AsDuration() != 5*time.Second {
			t.Errorf("door: %v", d)
		}
		g := read(t, svc, target, want[3], &permissionsv1.GrantState{})
		if g.GetSubjectId() != group || g.GetTargetId() != zone || g.GetScheduleId() != office || !g.GetValidTo().AsTime().Equal(until) {
			t.Errorf("grant: %v", g)
		}
		s := read(t, svc, target, want[4], &permissionsv1.ScheduleState{})
		if s.GetTimeZone() != "Europe/Madrid" || !proto.Equal(s.GetSpec(), officeHours()) {
			t.Errorf("schedule: %v", s)
		}
		m := read(t, svc, target, want[1], &permissionsv1.MembershipState{})
		if m.GetGroupId() != group || m.GetMemberId() != person {
			t.Errorf("membership: %v", m)
		}
	}
}

func TestWhatEndsIsRemovedBeforeTheHeadSaysSo(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site, person := tenant.Site(t, "UTC"), tenant.Person(t)
	group := tenant.Group(t, person)
	grant := tenant.Let(t, group, tenant.Door(t, site), "")
	tenant.Take(t, group, person)
	tenant.End(t, grant)
	org := string(tenant.Org)
	head := org + ".head.permissions.eu-central"
	for _, target := range []region.Name{central, west} {
		svc.Broker.WaitHead(t, target, tenant.Token)
		writes := svc.Broker.Written(target)
		tail := writes[len(writes)-4:]
		want := []permissionstest.Write{
			{Target: target, Key: org + ".org.membership." + group + "-" + person, Removed: true},
			{Target: target, Key: head},
			{Target: target, Key: org + ".site." + site + ".grant." + grant, Removed: true},
			{Target: target, Key: head},
		}
		if !slices.Equal(tail, want) {
			t.Fatalf("%s: last writes\n%v\nwant\n%v", target, tail, want)
		}
		if record := svc.Broker.Record(target, want[2].Key); record.GetVersion() != tenant.Token.GetVersion() {
			t.Errorf("tombstone at version %d, the revocation is %d", record.GetVersion(), tenant.Token.GetVersion())
		}
	}
}

func TestEveryCommitIsAnEvent(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site, person := tenant.Site(t, "UTC"), tenant.Person(t)
	door := tenant.Door(t, site)
	zone := tenant.Zone(t, door)
	tenant.Schedule(t, site, officeHours())
	group := tenant.Group(t, person)
	tenant.Take(t, group, person)
	tenant.End(t, tenant.Let(t, person, zone, ""))
	want := []string{
		"site_created", "door_created", "zone_created", "schedule_created", "group_created", "member_added", "member_removed",
		"grant_created", "grant_revoked",
	}
	svc.Broker.Wait(t, "all events", func() bool { return len(svc.Broker.Events("")) >= len(want) })
	for i, ev := range svc.Broker.Events("") {
		if ev.GetKind() != want[i] || ev.GetOrgVersion() != int64(i+1) || ev.GetRegion() != "eu-central" || ev.GetOrgId() != string(tenant.Org) {
			t.Errorf("event %d: %v, want %s", i, ev, want[i])
		}
		if !strings.HasPrefix(ev.GetActor(), "key_euc_") {
			t.Errorf("event %s does not say who: %q", ev.GetKind(), ev.GetActor())
		}
	}
}
