package permissions_test

import (
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

func getZone(t *testing.T, n *permissionstest.Tenant, id string) *permissionsv1.Zone {
	t.Helper()
	got, err := n.GetZone(t.Context(), &permissionsv1.GetZoneRequest{OrgId: string(n.Org), ZoneId: id, AtLeast: n.Latest()})
	return must(t, got, err)
}

// setZone changes what is in a zone.
func setZone(t *testing.T, n *permissionstest.Tenant, id string, doors, zones []string) error {
	t.Helper()
	out, err := n.UpdateZone(t.Context(), &permissionsv1.UpdateZoneRequest{
		OrgId: string(n.Org), ZoneId: id, Etag: getZone(t, n, id).GetEtag(), Name: "Zone", DoorIds: doors, ZoneIds: zones,
	})
	if err == nil {
		n.Token = out.GetToken()
	}
	return err
}

func TestTheLifeOfAZone(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	ctx, org := t.Context(), string(tenant.Org)
	site := tenant.Site(t, "UTC")
	one, two := tenant.Door(t, site), tenant.Door(t, site)
	inner, id := tenant.Zone(t, two), tenant.Zone(t, one)
	first := getZone(t, tenant, id)
	update := &permissionsv1.UpdateZoneRequest{
		OrgId: org, ZoneId: id, Etag: first.GetEtag(), Name: "Laboratory", DoorIds: []string{two}, ZoneIds: []string{inner},
		AntiPassback: &permissionsv1.AntiPassback{Mode: permissionsv1.AntiPassbackMode_ANTI_PASSBACK_MODE_HARD, ResetAfter: durationpb.New(time.Hour)},
	}
	done, err := tenant.UpdateZone(ctx, update)
	tenant.Token = must(t, done, err).GetToken()
	got := getZone(t, tenant, id)
	if !proto.Equal(got, done.GetZone()) || got.GetName() != "Laboratory" || !slices.Equal(got.GetDoorIds(), []string{two}) ||
		!slices.Equal(got.GetZoneIds(), []string{inner}) || !proto.Equal(got.GetAntiPassback(), update.GetAntiPassback()) {
		t.Fatalf("read %v, the update said %v", got, done.GetZone())
	}
	again, err := tenant.UpdateZone(ctx, update)
	if must(t, again, err); !proto.Equal(again, done) {
		t.Fatalf("the repetition answers %v, the first %v", again, done)
	}
	if d := getDoor(t, tenant, one); len(d.GetZoneIds()) != 0 {
		t.Errorf("the door that went out is in %v", d.GetZoneIds())
	}

	// What gateways read of all whom it touches.
	svc.Broker.WaitHead(t, west, tenant.Token)
	at := org + ".site." + site
	if d := read(t, svc, west, at+".door."+one, &permissionsv1.DoorState{}); len(d.GetZoneIds()) != 0 {
		t.Errorf("the door that went out: %v", d)
	}
	want := []string{inner, id}
	slices.Sort(want)
	if d := read(t, svc, west, at+".door."+two, &permissionsv1.DoorState{}); !slices.Equal(d.GetZoneIds(), want) {
		t.Errorf("the door that came in: %v", d)
	}
	if z := read(t, svc, west, at+".zone."+inner, &permissionsv1.ZoneState{}); !slices.Equal(z.GetParentIds(), []string{id}) {
		t.Errorf("the zone that came in: %v", z)
	}
	if z := read(t, svc, west, at+".zone."+id, &permissionsv1.ZoneState{}); !proto.Equal(z.GetAntiPassback(), update.GetAntiPassback()) {
		t.Errorf("the zone: %v", z)
	}

	listed, err := tenant.ListZones(ctx, &permissionsv1.ListZonesRequest{OrgId: org, Region: "eu-central"})
	must(t, listed, err)
	if len(listed.GetZones()) != 2 || !proto.Equal(listed.GetZones()[slices.Index(want, id)], got) {
		t.Errorf("listed %v", listed)
	}

	// It may be emptied, and goes with its links.
	if err := setZone(t, tenant, id, nil, []string{inner}); err != nil {
		t.Fatal(err)
	}
	remove := &permissionsv1.DeleteZoneRequest{OrgId: org, ZoneId: id, Etag: getZone(t, tenant, id).GetEtag()}
	gone, err := tenant.DeleteZone(ctx, remove)
	tenant.Token = must(t, gone, err).GetToken()
	if twice, err := tenant.DeleteZone(ctx, remove); must(t, twice, err).GetToken().GetVersion() != gone.GetToken().GetVersion() {
		t.Errorf("deleted at %v, and again at %v", gone, twice)
	}
	svc.Broker.WaitHead(t, west, tenant.Token)
	if record := svc.Broker.Record(west, at+".zone."+id); !record.GetRemoved() {
		t.Errorf("its fact is still %v", record)
	}
	if z := read(t, svc, west, at+".zone."+inner, &permissionsv1.ZoneState{}); len(z.GetParentIds()) != 0 {
		t.Errorf("the zone that was in it: %v", z)
	}
	wantKinds(t, svc, tenant.Token.GetVersion(), "zone_deleted")
}

func TestADeletedThingLeavesItsZones(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	org := string(tenant.Org)
	site := tenant.Site(t, "UTC")
	door, stays := tenant.Door(t, site), tenant.Door(t, site)
	inner := tenant.Zone(t, stays)
	zone := tenant.ZoneOf(t, []string{door, stays}, []string{inner})
	before := getZone(t, tenant, zone).GetEtag()

	out, err := tenant.DeleteDoor(t.Context(), &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: door, Etag: getDoor(t, tenant, door).GetEtag()})
	tenant.Token = must(t, out, err).GetToken()
	wantKinds(t, svc, tenant.Token.GetVersion(), "zone_updated", "door_deleted")
	svc.Broker.WaitHead(t, west, tenant.Token)
	if record := svc.Broker.Record(west, org+".site."+site+".door."+door); !record.GetRemoved() {
		t.Errorf("the door's fact is still %v", record)
	}
	after := getZone(t, tenant, zone)
	if !slices.Equal(after.GetDoorIds(), []string{stays}) || after.GetEtag() == before {
		t.Fatalf("the zone is %v", after)
	}
	out, err = tenant.DeleteZone(t.Context(), &permissionsv1.DeleteZoneRequest{OrgId: org, ZoneId: inner, Etag: getZone(t, tenant, inner).GetEtag()})
	tenant.Token = must(t, out, err).GetToken()
	wantKinds(t, svc, tenant.Token.GetVersion(), "zone_updated", "zone_deleted")
	if z := getZone(t, tenant, zone); len(z.GetZoneIds()) != 0 {
		t.Fatalf("the zone is %v", z)
	}
	if d := getDoor(t, tenant, stays); !slices.Equal(d.GetZoneIds(), []string{zone}) {
		t.Fatalf("the door that stays is %v", d)
	}
}

func TestZonesNeverContainThemselves(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door := tenant.Door(t, tenant.Site(t, "UTC"))
	inner := tenant.Zone(t, door)
	middle := tenant.ZoneOf(t, nil, []string{inner})
	outer := tenant.ZoneOf(t, nil, []string{middle})
	wantReason(t, setZone(t, tenant, inner, nil, []string{inner}), faultv1.Reason_REASON_CYCLE)
	wantReason(t, setZone(t, tenant, inner, nil, []string{outer}), faultv1.Reason_REASON_CYCLE)
	wantReason(t, setZone(t, tenant, middle, nil, []string{inner, outer}), faultv1.Reason_REASON_CYCLE)
	if err := setZone(t, tenant, outer, nil, []string{inner, middle}); err != nil {
		t.Fatalf("twice inside, by two ways: %v", err)
	}
}

func TestZonesNestToTheBoundAndNoDeeper(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	bottom := tenant.Zone(t, door)
	top := bottom
	for range 31 {
		top = tenant.ZoneOf(t, nil, []string{top})
	}
	tenant.Let(t, person, top, "")
	_, err := tenant.CreateZone(t.Context(), &permissionsv1.CreateZoneRequest{
		OrgId: string(tenant.Org), Region: "eu-central", Name: "Z", ZoneIds: []string{top}, IdempotencyKey: tenant.Once(),
	})
	wantReason(t, err, faultv1.Reason_REASON_STATE_FORBIDS)
	below := tenant.Zone(t, door)
	wantReason(t, setZone(t, tenant, bottom, []string{door}, []string{below}), faultv1.Reason_REASON_STATE_FORBIDS)
}

func TestAZoneIsPublishedUnderTheSiteOfItsFirstDoor(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	one, two := tenant.Site(t, "UTC"), tenant.Site(t, "UTC")
	first, second := tenant.Door(t, one), tenant.Door(t, two)
	zone := tenant.Zone(t, second, first)
	outer := tenant.ZoneOf(t, nil, []string{zone})
	if err := setZone(t, tenant, zone, []string{first}, nil); err != nil {
		t.Fatal(err)
	}
	svc.Broker.WaitHead(t, west, tenant.Token)
	for _, id := range []string{zone, outer} {
		read(t, svc, west, string(tenant.Org)+".site."+two+".zone."+id, &permissionsv1.ZoneState{})
	}
}
