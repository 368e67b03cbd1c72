package permissions_test

import (
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestEveryMethodSaysWhatItNeeds(t *testing.T) {
	files := []protoreflect.FileDescriptor{permissionsv1.File_cardea_permissions_v1_permissions_proto}
	if err := rpc.Walk(files); err != nil {
		t.Fatal(err)
	}
}

func TestEveryMethodRefusesOtherOrganizations(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	svc.Mesh.RefusesOthers(t, svc.URL, permissionsv1.File_cardea_permissions_v1_permissions_proto)
}

// The own organization's id beside another's things: these are not there.
func TestThingsOfAnotherOrganizationAreNotFound(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	theirs, mine := svc.Tenant(t, central), svc.Tenant(t, central)
	site := theirs.Site(t, "UTC")
	door, person := theirs.Door(t, site), theirs.Person(t)
	zone, schedule := theirs.Zone(t, door), theirs.Schedule(t, site, officeHours())
	group := theirs.Group(t, person)
	grant := theirs.Let(t, group, zone, schedule)
	myDoor := mine.Door(t, mine.Site(t, "UTC"))
	myGroup := mine.Group(t)
	org := string(mine.Org)
	ctx := t.Context()
	grantTo := func(subject, target, schedule string) error {
		_, err := mine.Grant(ctx, &permissionsv1.GrantRequest{OrgId: org, SubjectId: subject, TargetId: target, ScheduleId: schedule, IdempotencyKey: mine.Once()})
		return err
	}
	calls := theirPlaces(t, theirs, mine, map[string]string{
		"site": site, "door": door, "zone": zone, "schedule": schedule, "calendar": theirs.Calendar(t), "lockdown": theirs.LockDown(t, zone, 1),
	})
	for name, call := range map[string]func() error{
		"CreateDoor": func() error {
			_, err := mine.CreateDoor(ctx, &permissionsv1.CreateDoorRequest{OrgId: org, SiteId: site, Name: "D", IdempotencyKey: mine.Once()})
			return err
		},
		"GetDoor": func() error {
			_, err := mine.GetDoor(ctx, &permissionsv1.GetDoorRequest{OrgId: org, DoorId: door})
			return err
		},
		"CreateZone": func() error {
			_, err := mine.CreateZone(ctx, &permissionsv1.CreateZoneRequest{OrgId: org, Region: "eu-central", Name: "Z", DoorIds: []string{myDoor, door}, IdempotencyKey: mine.Once()})
			return err
		},
		"CreateSchedule": func() error {
			_, err := mine.CreateSchedule(ctx, &permissionsv1.CreateScheduleRequest{OrgId: org, SiteId: site, Name: "S", Spec: officeHours(), IdempotencyKey: mine.Once()})
			return err
		},
		"AddMember to theirs": func() error {
			_, err := mine.AddMember(ctx, &permissionsv1.AddMemberRequest{OrgId: org, GroupId: group, MemberId: person})
			return err
		},
		"AddMember of theirs": func() error {
			_, err := mine.AddMember(ctx, &permissionsv1.AddMemberRequest{OrgId: org, GroupId: myGroup, MemberId: group})
			return err
		},
		"RemoveMember": func() error {
			_, err := mine.RemoveMember(ctx, &permissionsv1.RemoveMemberRequest{OrgId: org, GroupId: group, MemberId: person})
			return err
		},
		"Grant of their door":     func() error { return grantTo(person, door, "") },
		"Grant of their zone":     func() error { return grantTo(person, zone, "") },
		"Grant to their group":    func() error { return grantTo(group, myDoor, "") },
		"Grant by their schedule": func() error { return grantTo(person, myDoor, schedule) },
		"Check at their door": func() error {
			_, err := mine.Check(ctx, &permissionsv1.CheckRequest{OrgId: org, DoorId: door, PersonId: person})
			return err
		},
		"AccessAt of their door": func() error {
			_, err := mine.AccessAt(ctx, &permissionsv1.AccessAtRequest{OrgId: org, DoorId: door, At: timestamppb.Now()})
			return err
		},
		"Revoke": func() error {
			_, err := mine.Revoke(ctx, &permissionsv1.RevokeRequest{OrgId: org, GrantId: grant})
			return err
		},
	} {
		calls[name] = call
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			if err := call(); !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
				t.Fatalf("got %v", err)
			}
		})
	}
	// Their person is opaque to us, and their grants say nothing about our doors.
	out, err := mine.AccessAt(ctx, &permissionsv1.AccessAtRequest{
		OrgId: org, PersonId: person, Region: "eu-central", At: timestamppb.New(nextMonday(t)),
	})
	if err != nil || len(out.GetAccess()) != 0 {
		t.Fatalf("their person's doors, asked by us: %v, %v", out, err)
	}
	wantDecision(t, mine.May(t, person, myDoor, time.Time{}), noGrant, "", "")
	endLockdown(t, theirs, lockdowns(t, theirs)[0].GetId())
	wantDecision(t, theirs.May(t, person, door, nextMonday(t).Add(2*time.Hour)), granted, grant, schedule)
}
