package events

import (
	"math"
	"testing"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

func TestWhichDoorAndPersonAnEventIsAbout(t *testing.T) {
	regions := dbtest.Regions(t)
	door, person := region.NewID(region.Door, "euc"), region.NewID(region.Person, "euw")
	zone, group := string(region.NewID(region.Zone, "euc")), string(region.NewID(region.Group, "euc"))
	d, p := string(door), string(person)
	for _, c := range []struct {
		service, kind string
		payload       proto.Message
		door, person  region.ID
	}{
		{"device-gateway", "access", &gatewayv1.LockEvent{DoorId: d, PersonId: p}, door, person},
		{"device-gateway", "access", &gatewayv1.LockEvent{DoorId: d}, door, ""},
		{"device-gateway", "lock", &gatewayv1.LockEvent{DoorId: d}, door, ""},
		{"device-gateway", "command_ordered", &gatewayv1.CommandOrdered{DeviceId: "x", DoorId: d}, door, ""},
		{"device-gateway", "device_created", &gatewayv1.DeviceCreated{DoorId: d}, door, ""},
		{"device-gateway", "device_revoked", &gatewayv1.DeviceRevoked{DeviceId: "x"}, "", ""},
		{"device-gateway", "device_renewed", &gatewayv1.DeviceRenewed{DeviceId: "x"}, "", ""},
		{"permissions", "door_created", &permissionsv1.DoorCreated{Door: &permissionsv1.Door{Id: d}}, door, ""},
		{"permissions", "door_created", &permissionsv1.DoorCreated{}, "", ""},
		{"permissions", "grant_created", &permissionsv1.GrantCreated{SubjectId: p, TargetId: d}, door, person},
		{"permissions", "grant_created", &permissionsv1.GrantCreated{SubjectId: group, TargetId: zone}, "", ""},
		{"permissions", "grant_revoked", &permissionsv1.GrantRevoked{SubjectId: group, TargetId: d}, door, ""},
		{"permissions", "member_added", &permissionsv1.MemberAdded{MemberId: p}, "", person},
		{"permissions", "member_removed", &permissionsv1.MemberRemoved{MemberId: group}, "", ""},
		{"permissions", "person_followed", &permissionsv1.PersonFollowed{PersonId: p}, "", person},
		{"permissions", "person_unfollowed", &permissionsv1.PersonUnfollowed{PersonId: p}, "", person},
		{"identity", "person_created", &identityv1.PersonCreated{PersonId: p}, "", person},
		{"identity", "person_read", &identityv1.PersonRead{PersonId: p}, "", person},
		{"identity", "person_erased", &identityv1.PersonErased{PersonId: p}, "", person},
		{"identity", "credential_issued", &identityv1.CredentialIssued{PersonId: p}, "", person},
		{"identity", "credential_revoked", &identityv1.CredentialRevoked{PersonId: p}, "", person},
		{"identity", "follower_added", &identityv1.FollowerAdded{SubjectId: p}, "", person},
		{"identity", "follower_removed", &identityv1.FollowerRemoved{SubjectId: "org"}, "", ""},
		{"identity", "something_new", &identityv1.PersonCreated{PersonId: p}, "", ""},
		{"identity", "access", &gatewayv1.LockEvent{DoorId: d}, "", ""}, // another service's kind
		{"device-gateway", "access", &gatewayv1.LockEvent{DoorId: p, PersonId: d}, "", ""},
		{"device-gateway", "access", &gatewayv1.LockEvent{DoorId: "door_xxx_1", PersonId: "nobody"}, "", ""},
	} {
		payload, err := proto.Marshal(c.payload)
		if err != nil {
			t.Fatal(err)
		}
		e := ledger.Event{Service: c.service, Kind: c.kind}
		if err := index(regions, &e, payload); err != nil || e.Door != c.door || e.Person != c.person || e.Device != "" {
			t.Errorf("%s %s %v: %+v, %v; want %q and %q", c.service, c.kind, c.payload, e, err, c.door, c.person)
		}
	}
}

func TestWhichOfALocksEventsItIs(t *testing.T) {
	regions := dbtest.Regions(t)
	device := region.NewID(region.Device, "euc")
	d := string(device)
	for _, c := range []struct {
		kind  string
		event *gatewayv1.LockEvent
		want  ledger.Place
	}{
		{"access", &gatewayv1.LockEvent{DeviceId: d, BootEpoch: 2, Sequence: 7}, ledger.Place{Epoch: 2, Sequence: 7}},
		{"lock", &gatewayv1.LockEvent{DeviceId: d, BootEpoch: 1 << 62, Sequence: 1 << 62}, ledger.Place{Epoch: 1 << 62, Sequence: 1 << 62}},
		{"lock", &gatewayv1.LockEvent{DeviceId: d, BootEpoch: 2}, ledger.Place{}}, // the gateway's own
		{"lock", &gatewayv1.LockEvent{DeviceId: d, Sequence: 7}, ledger.Place{}},
		{"lock", &gatewayv1.LockEvent{DeviceId: d, BootEpoch: 2, Sequence: math.MaxInt64 + 1}, ledger.Place{}},
		{"lock", &gatewayv1.LockEvent{DeviceId: "device_xxx_1", BootEpoch: 2, Sequence: 7}, ledger.Place{}},
	} {
		payload, err := proto.Marshal(c.event)
		if err != nil {
			t.Fatal(err)
		}
		e := ledger.Event{Service: "device-gateway", Kind: c.kind}
		if err := index(regions, &e, payload); err != nil || e.Lock != c.want || (e.Device == device) != (c.want != ledger.Place{}) {
			t.Errorf("%v: %+v, %v", c.event, e, err)
		}
	}
}
