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
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestEachBadInputHasItsOwnErrorAndWritesNothing(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	svc := permissionstest.Start(t, mesh, central)
	permissionstest.StartWith(t, mesh, west, permissionstest.Options{Database: svc.Database})
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	site := tenant.Site(t, "UTC")
	door, person := tenant.Door(t, site), tenant.Person(t)
	westDoor := there.Door(t, there.Site(t, "UTC"))
	westSchedule := there.Schedule(t, there.Site(t, "UTC"), officeHours())
	group := tenant.Group(t, person)
	parent := tenant.Group(t, group)
	org := string(tenant.Org)
	id := func(kind region.Kind, code region.Code) string { return string(region.NewID(kind, code)) }
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(d)) }
	week := func(day, start, end int32) *permissionsv1.ScheduleSpec {
		return &permissionsv1.ScheduleSpec{Weekly: []*permissionsv1.WeeklyInterval{{Weekday: day, StartMinute: start, EndMinute: end}}}
	}

	createSite := func(name, place, zone string) error {
		_, err := tenant.CreateSite(t.Context(), &permissionsv1.CreateSiteRequest{OrgId: org, Region: place, Name: name, TimeZone: zone, IdempotencyKey: tenant.Once()})
		return err
	}
	createDoor := func(site, name string, unlock time.Duration) error {
		_, err := tenant.CreateDoor(t.Context(), &permissionsv1.CreateDoorRequest{OrgId: org, SiteId: site, Name: name, UnlockFor: durationpb.New(unlock), IdempotencyKey: tenant.Once()})
		return err
	}
	createZone := func(place string, doors ...string) error {
		_, err := tenant.CreateZone(t.Context(), &permissionsv1.CreateZoneRequest{OrgId: org, Region: place, Name: "Zone", DoorIds: doors, IdempotencyKey: tenant.Once()})
		return err
	}
	createSchedule := func(spec *permissionsv1.ScheduleSpec) error {
		_, err := tenant.CreateSchedule(t.Context(), &permissionsv1.CreateScheduleRequest{OrgId: org, SiteId: site, Name: "S", Spec: spec, IdempotencyKey: tenant.Once()})
		return err
	}
	add := func(group, member string) error {
		_, err := tenant.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: org, GroupId: group, MemberId: member})
		return err
	}
	grant := func(subject, target, schedule string, from, to *timestamppb.Timestamp) error {
		_, err := tenant.Grant(t.Context(), &permissionsv1.GrantRequest{
			OrgId: org, SubjectId: subject, TargetId: target, ScheduleId: schedule, ValidFrom: from, ValidTo: to, IdempotencyKey: tenant.Once(),
		})
		return err
	}
	revoke := func(grant string) error {
		_, err := tenant.Revoke(t.Context(), &permissionsv1.RevokeRequest{OrgId: org, GrantId: grant})
		return err
	}
	check := func(door, person string, tokens ...*typev1.ConsistencyToken) error {
		_, err := tenant.Check(t.Context(), &permissionsv1.CheckRequest{OrgId: org, DoorId: door, PersonId: person, AtLeast: tokens})
		return err
	}
	enforced := func(token *typev1.ConsistencyToken) error {
		_, err := tenant.WaitEnforced(t.Context(), &permissionsv1.WaitEnforcedRequest{OrgId: org, Region: "eu-central", Token: token, Timeout: durationpb.New(0)})
		return err
	}
	token := func(change func(*typev1.ConsistencyToken)) *typev1.ConsistencyToken {
		made := &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: org, Version: 1}
		change(made)
		return made
	}

	bad := badPlaces{tenant: tenant, site: site, door: door, westDoor: westDoor, westSchedule: westSchedule, westZone: there.Zone(t, westDoor), westCalendar: there.Calendar(t)}
	bad.zone, bad.schedule, bad.calendar = tenant.Zone(t, door), tenant.Schedule(t, site, officeHours()), tenant.Calendar(t)
	before := countRows(t, svc)
	for _, c := range bad.cases(t) {
		t.Run(c.name, func(t *testing.T) { wantReason(t, c.err, c.want) })
	}
	for _, c := range []struct {
		name string
		err  error
		want faultv1.Reason
	}{
		{"unknown region", createSite("S", "atlantis", "UTC"), faultv1.Reason_REASON_UNKNOWN_REGION},
		{"unknown time zone", createSite("S", "eu-central", "Europe/Nowhere"), faultv1.Reason_REASON_INVALID_FIELD},
		{"the host's own time zone", createSite("S", "eu-central", "Local"), faultv1.Reason_REASON_INVALID_FIELD},
		{"a name with a line break", createSite("a\nb", "eu-central", "UTC"), faultv1.Reason_REASON_INVALID_FIELD},
		{"a name of spaces", createSite("  ", "eu-central", "UTC"), faultv1.Reason_REASON_INVALID_FIELD},
		{"a name too long", createSite(strings.Repeat("x", 101), "eu-central", "UTC"), faultv1.Reason_REASON_INVALID_FIELD},
		{"a request too large", createSite(strings.Repeat("x", 2<<20), "eu-central", "UTC"), faultv1.Reason_REASON_TOO_LARGE},
		{"not an id", createDoor("site_euc_short", "D", time.Second), faultv1.Reason_REASON_INVALID_ID},
		{"an id of another kind", createDoor(person, "D", time.Second), faultv1.Reason_REASON_WRONG_ID_KIND},
		{"an id of an unknown region", createDoor(id(region.Site, "xxx"), "D", time.Second), faultv1.Reason_REASON_UNKNOWN_REGION},
		{"a site that is not there", createDoor(id(region.Site, "euc"), "D", time.Second), faultv1.Reason_REASON_NOT_FOUND},
		{"an unlock of a nanosecond", createDoor(site, "D", time.Nanosecond), faultv1.Reason_REASON_INVALID_FIELD},
		{"an unlock of an hour", createDoor(site, "D", time.Hour), faultv1.Reason_REASON_INVALID_FIELD},
		{"a zone of two regions", createZone("eu-central", door, westDoor), faultv1.Reason_REASON_OTHER_HOME},
		{"a zone without doors", createZone("eu-central"), faultv1.Reason_REASON_INVALID_FIELD},
		{"a zone with a door twice", createZone("eu-central", door, door), faultv1.Reason_REASON_INVALID_FIELD},
		{"a zone of an unknown door", createZone("eu-central", id(region.Door, "euc")), faultv1.Reason_REASON_NOT_FOUND},
		{"an eighth weekday", createSchedule(week(8, 0, 60)), faultv1.Reason_REASON_INVALID_FIELD},
		{"an interval that ends before it starts", createSchedule(week(1, 600, 540)), faultv1.Reason_REASON_INVALID_FIELD},
		{"an interval longer than a day", createSchedule(week(1, 0, 1441)), faultv1.Reason_REASON_INVALID_FIELD},
		{"the 30th of February", createSchedule(&permissionsv1.ScheduleSpec{Exceptions: []*permissionsv1.DatedException{{Date: "2027-02-30"}}}), faultv1.Reason_REASON_INVALID_FIELD},
		{"one date twice", createSchedule(&permissionsv1.ScheduleSpec{Exceptions: []*permissionsv1.DatedException{{Date: "2027-02-01"}, {Date: "2027-02-01"}}}), faultv1.Reason_REASON_INVALID_FIELD},
		{"no schedule at all", createSchedule(nil), faultv1.Reason_REASON_INVALID_FIELD},
		{"a group in itself", add(group, group), faultv1.Reason_REASON_CYCLE},
		{"a group in its own member", add(group, parent), faultv1.Reason_REASON_CYCLE},
		{"a door in a group", add(group, door), faultv1.Reason_REASON_WRONG_ID_KIND},
		{"a member group that is not there", add(group, id(region.Group, "euc")), faultv1.Reason_REASON_NOT_FOUND},
		{"a member of a group that is not there", add(id(region.Group, "euc"), person), faultv1.Reason_REASON_NOT_FOUND},
		{"a grant of a person", grant(person, person, "", nil, nil), faultv1.Reason_REASON_WRONG_ID_KIND},
		{"a grant to a door", grant(door, door, "", nil, nil), faultv1.Reason_REASON_WRONG_ID_KIND},
		{"a grant of a door that is not there", grant(person, id(region.Door, "euc"), "", nil, nil), faultv1.Reason_REASON_NOT_FOUND},
		{"a grant to a group that is not there", grant(id(region.Group, "euw"), door, "", nil, nil), faultv1.Reason_REASON_NOT_FOUND},
		{"a schedule of another region", grant(person, door, westSchedule, nil, nil), faultv1.Reason_REASON_OTHER_HOME},
		{"a schedule that is not there", grant(person, door, id(region.Schedule, "euc"), nil, nil), faultv1.Reason_REASON_NOT_FOUND},
		{"a grant that ends before it begins", grant(person, door, "", at(2*time.Hour), at(time.Hour)), faultv1.Reason_REASON_CLOCK_NONSENSE},
		{"a grant that ended yesterday", grant(person, door, "", at(-48*time.Hour), at(-24*time.Hour)), faultv1.Reason_REASON_CLOCK_NONSENSE},
		{"a grant that ends before now", grant(person, door, "", nil, at(-time.Second)), faultv1.Reason_REASON_CLOCK_NONSENSE},
		{"a grant after the end of time", grant(person, door, "", nil, &timestamppb.Timestamp{Seconds: 1 << 50}), faultv1.Reason_REASON_CLOCK_NONSENSE},
		{"a grant that is not there", revoke(id(region.Grant, "euc")), faultv1.Reason_REASON_NOT_FOUND},
		{"a question about an unknown door", check(id(region.Door, "euc"), person), faultv1.Reason_REASON_NOT_FOUND},
		{"a question about a group", check(door, group), faultv1.Reason_REASON_WRONG_ID_KIND},
		{"a token from the future", check(door, person, token(func(c *typev1.ConsistencyToken) { c.Version = 1 << 40 })), faultv1.Reason_REASON_NOT_FRESH_ENOUGH},
		{"a token of somebody else", check(door, person, token(func(c *typev1.ConsistencyToken) { c.OrgId = id(region.Organization, "euc") })), faultv1.Reason_REASON_INVALID_FIELD},
		{"a token of nowhere", check(door, person, token(func(c *typev1.ConsistencyToken) { c.Region = "atlantis" })), faultv1.Reason_REASON_UNKNOWN_REGION},
		{"waiting for a commit of the gateways", enforced(token(func(c *typev1.ConsistencyToken) { c.Service = "device-gateway" })), faultv1.Reason_REASON_INVALID_FIELD},
		{"waiting for a commit elsewhere", enforced(token(func(c *typev1.ConsistencyToken) { c.Region = "eu-west" })), faultv1.Reason_REASON_INVALID_FIELD},
		{"waiting for no commit", enforced(token(func(c *typev1.ConsistencyToken) { c.Version = 0 })), faultv1.Reason_REASON_INVALID_FIELD},
		{"waiting for a commit that is not there", enforced(token(func(c *typev1.ConsistencyToken) { c.Version = 1 << 40 })), faultv1.Reason_REASON_NOT_FRESH_ENOUGH},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !fault.Is(c.err, c.want) {
				t.Fatalf("got %v, want %v", c.err, c.want)
			}
		})
	}
	if after := countRows(t, svc); after != before {
		t.Fatalf("%d rows became %d", before, after)
	}
}

// countRows counts all that writes leave behind for ever.
func countRows(t *testing.T, svc *permissionstest.Service) (n int) {
	t.Helper()
	err := svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT (SELECT count(*) FROM sites) + (SELECT count(*) FROM doors)
		+ (SELECT count(*) FROM zones) + (SELECT count(*) FROM zone_doors) + (SELECT count(*) FROM zone_zones)
		+ (SELECT count(*) FROM schedules) + (SELECT count(*) FROM holiday_calendars) + (SELECT count(*) FROM lockdowns) + (SELECT count(*) FROM memberships)
		+ (SELECT count(*) FROM grants) + (SELECT count(*) FROM events) + (SELECT count(*) FROM idempotency)`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnotherRequestUnderTheSameKeyIsRefused(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	req := &permissionsv1.CreateGroupRequest{OrgId: string(tenant.Org), Region: "eu-central", Name: "One", IdempotencyKey: "key"}
	if _, err := tenant.CreateGroup(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	req.Name = "Two"
	if _, err := tenant.CreateGroup(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH) {
		t.Fatalf("got %v", err)
	}
}

func TestAKeyThatNoColumnTakesIsRefused(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	_, err := tenant.CreateGroup(t.Context(), &permissionsv1.CreateGroupRequest{
		OrgId: string(tenant.Org), Region: "eu-central", Name: "One", IdempotencyKey: "a\x00b",
	})
	if !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Fatalf("got %v", err)
	}
}

func TestGroupsNestToTheBoundAndNoDeeper(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	group := tenant.Group(t, person)
	for range 31 {
		group = tenant.Group(t, group)
	}
	grant := tenant.Let(t, group, door, "")
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, grant, "")
	top := tenant.Group(t)
	_, err := tenant.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: string(tenant.Org), GroupId: top, MemberId: group})
	if !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
		t.Fatalf("a 33rd level: %v", err)
	}
}
