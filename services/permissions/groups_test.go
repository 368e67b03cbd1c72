package permissions_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func deleteGroup(t *testing.T, tenant *permissionstest.Tenant, id, etag string) error {
	t.Helper()
	out, err := tenant.DeleteGroup(t.Context(), &permissionsv1.DeleteGroupRequest{OrgId: string(tenant.Org), GroupId: id, Etag: etag})
	if err == nil {
		tenant.Token = out.GetToken()
	}
	return err
}

func TestAGroupIsRenamedByWhoHasReadIt(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	made := tenant.TheGroup(t, tenant.Group(t, tenant.Person(t)))
	rename := func(name, etag string) (*permissionsv1.UpdateGroupResponse, error) {
		return tenant.UpdateGroup(t.Context(), &permissionsv1.UpdateGroupRequest{
			OrgId: string(tenant.Org), GroupId: made.GetId(), Name: name, Etag: etag,
		})
	}
	first, err := rename("Night shift", made.GetEtag())
	if err != nil || first.GetGroup().GetName() != "Night shift" || first.GetGroup().GetEtag() == made.GetEtag() {
		t.Fatalf("%v, %v", first, err)
	}
	again, err := rename("Night shift", made.GetEtag()) // the answer was lost
	if err != nil || again.GetGroup().GetEtag() != first.GetGroup().GetEtag() || again.GetToken().GetVersion() != first.GetToken().GetVersion() {
		t.Fatalf("again: %v, %v", again, err)
	}
	if _, err := rename("Day shift", made.GetEtag()); !fault.Is(err, faultv1.Reason_REASON_CONFLICT) {
		t.Fatalf("with the old etag: %v", err)
	}
	if err := deleteGroup(t, tenant, made.GetId(), made.GetEtag()); !fault.Is(err, faultv1.Reason_REASON_CONFLICT) {
		t.Fatalf("deleted with the old etag: %v", err)
	}
	if got := tenant.TheGroup(t, made.GetId()); got.GetName() != "Night shift" {
		t.Fatalf("it is %v", got)
	}
}

// What names a deleted group ends with it, in every region of the jurisdiction, and the past stays.
func TestWithAGroupEndsAllThatNamesIt(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	door, westDoor := tenant.Door(t, tenant.Site(t, "UTC")), there.Door(t, there.Site(t, "UTC"))
	person, recipient := tenant.Person(t), tenant.Person(t)
	group := tenant.Group(t, person)
	around := there.Group(t, group)
	grant := tenant.LetShare(t, group, door, 1)
	share := tenant.Share(t, grant, person, recipient, 0)
	westGrant := there.Let(t, group, westDoor, "")
	throughAround := there.Let(t, around, westDoor, "")
	role, err := there.AssignRole(t.Context(), &permissionsv1.AssignRoleRequest{
		OrgId: string(tenant.Org), Region: "eu-west", SubjectId: group, Role: permissionsv1.Role_ROLE_VIEWER, IdempotencyKey: there.Once(),
	})
	if err != nil {
		t.Fatal(err)
	}
	wantDecision(t, there.May(t, person, westDoor, time.Time{}), granted, min(westGrant, throughAround), "")
	held := recordedAt(t, svc, tenant)

	if err := deleteGroup(t, tenant, group, tenant.TheGroup(t, group).GetEtag()); err != nil {
		t.Fatal(err)
	}
	there.Token = nil
	for _, id := range []string{grant, share} {
		if !tenant.TheGrant(t, id).GetRevoked() {
			t.Errorf("%s lives", id)
		}
	}
	if there.Token = tenant.Token; !there.TheGrant(t, westGrant).GetRevoked() || there.TheGrant(t, throughAround).GetRevoked() {
		t.Error("of the grants in the other region, the one to the group ends, the one to the group around it does not")
	}
	wantDecision(t, there.May(t, person, westDoor, time.Time{}), noGrant, "", "")
	members, err := there.ListMembers(t.Context(), &permissionsv1.ListMembersRequest{OrgId: string(tenant.Org), GroupId: around})
	if err != nil || len(members.GetMemberIds()) != 0 {
		t.Errorf("the group around it has %v, %v", members, err)
	}
	roles, err := there.ListRoles(t.Context(), &permissionsv1.ListRolesRequest{OrgId: string(tenant.Org), Region: "eu-west"})
	if err != nil || len(roles.GetRoles()) != 0 {
		t.Errorf("its role %v lives: %v, %v", role.GetRoleId(), roles, err)
	}
	if got := everybody(t, tenant, &permissionsv1.AccessAtRequest{DoorId: door, At: timestamppb.New(held)}); len(got) == 0 {
		t.Error("the past is gone")
	}
	svc.Broker.Wait(t, "the end", func() bool { return len(svc.Broker.Events("group_deleted")) == 1 })
	svc.Broker.Wait(t, "no fact of the group", func() bool {
		keys := svc.Broker.Keys(west, string(tenant.Org)+".org.membership.")
		grants := slices.DeleteFunc(svc.Broker.Keys(west, string(tenant.Org)+".site."), func(k string) bool {
			return k[len(k)-len(grant):] != grant && k[len(k)-len(grant):] != share && k[len(k)-len(grant):] != westGrant
		})
		return len(keys) == 0 && len(grants) == 0
	})

	// Again, with any etag; and it is not there for anything else.
	version := tenant.Token.GetVersion()
	if err := deleteGroup(t, tenant, group, "v1"); err != nil || tenant.Token.GetVersion() != version {
		t.Errorf("again: %v, version %d after %d", err, tenant.Token.GetVersion(), version)
	}
	for name, err := range map[string]error{
		"get":    errOf(tenant.GetGroup(t.Context(), &permissionsv1.GetGroupRequest{OrgId: string(tenant.Org), GroupId: group})),
		"add":    errOf(tenant.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: string(tenant.Org), GroupId: group, MemberId: person})),
		"inside": errOf(there.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: string(tenant.Org), GroupId: around, MemberId: group})),
		"grant": errOf(tenant.Grant(t.Context(), &permissionsv1.GrantRequest{
			OrgId: string(tenant.Org), SubjectId: group, TargetId: door, IdempotencyKey: tenant.Once(),
		})),
	} {
		if !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// A grant in the US names the group: its copy there empties, and nobody is followed any more.
func TestADeletedGroupIsEmptyAcrossTheBorder(t *testing.T) {
	t.Parallel()
	b := newBorder(t)
	ana, bob := b.home.Person(t), b.home.Person(t)
	group := b.home.Group(t, ana, bob)
	b.over.Let(t, group, b.door, "")
	b.waitMay(t, ana, granted)
	if err := deleteGroup(t, b.home, group, b.home.TheGroup(t, group).GetEtag()); err != nil {
		t.Fatal(err)
	}
	b.waitMay(t, ana, noGrant)
	b.waitMay(t, bob, noGrant)
	b.waitFollows(t, "+"+ana+" us-east", "+"+bob+" us-east", "-"+ana+" us-east", "-"+bob+" us-east")
}

func TestListsOfGroupsAndMembersAreCompleteAndOfOneQuestion(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	var groups, people []string
	for range 7 {
		people = append(people, tenant.Person(t))
	}
	for range 5 {
		groups = append(groups, tenant.Group(t))
	}
	for _, p := range people {
		tenant.Add(t, groups[0], p)
	}
	tenant.Take(t, groups[0], people[3])
	people = slices.Delete(people, 3, 4)
	gone := groups[2]
	if err := deleteGroup(t, tenant, gone, tenant.TheGroup(t, gone).GetEtag()); err != nil {
		t.Fatal(err)
	}
	groups = slices.Delete(groups, 2, 3)
	org := string(tenant.Org)
	for _, size := range []int32{0, 1, 2, 4, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			got := pages(t, func(token string) ([]*permissionsv1.Group, string, error) {
				out, err := tenant.ListGroups(t.Context(), &permissionsv1.ListGroupsRequest{OrgId: org, Region: "eu-central", PageSize: size, PageToken: token})
				return out.GetGroups(), out.GetNextPageToken(), err
			})
			if ids := idsOf(got); !slices.Equal(ids, slices.Sorted(slices.Values(groups))) {
				t.Errorf("groups %v, want %v", ids, groups)
			}
			members := pages(t, func(token string) ([]string, string, error) {
				out, err := tenant.ListMembers(t.Context(), &permissionsv1.ListMembersRequest{OrgId: org, GroupId: groups[0], PageSize: size, PageToken: token})
				return out.GetMemberIds(), out.GetNextPageToken(), err
			})
			if !slices.Equal(members, slices.Sorted(slices.Values(people))) {
				t.Errorf("members %v, want %v", members, people)
			}
		})
	}
	first, err := tenant.ListMembers(t.Context(), &permissionsv1.ListMembersRequest{OrgId: org, GroupId: groups[0], PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, req := range map[string]*permissionsv1.ListMembersRequest{
		"another group":  {OrgId: org, GroupId: groups[1], PageToken: first.GetNextPageToken()},
		"not a token":    {OrgId: org, GroupId: groups[0], PageToken: "x"},
		"page too large": {OrgId: org, GroupId: groups[0], PageSize: 1001},
	} {
		if _, err := tenant.ListMembers(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pages asks for a list page by page.
func pages[T any](t *testing.T, ask func(token string) ([]T, string, error)) (all []T) {
	t.Helper()
	token := ""
	for range 1000 {
		found, next, err := ask(token)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
		if token = next; token == "" {
			return all
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

func idsOf[T interface{ GetId() string }](all []T) (ids []string) {
	for _, one := range all {
		ids = append(ids, one.GetId())
	}
	return ids
}

// Without it nobody could be the first of the day at that door, which is in another region, or come in when its lock has been alone
// for too long.
func TestAGroupThatADoorsRulesNameStays(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	site := there.Site(t, "UTC")
	hours := there.Schedule(t, site, officeHours())
	for name, rules := range map[string]func(group string) *permissionsv1.DoorRules{
		"first person": func(group string) *permissionsv1.DoorRules {
			return &permissionsv1.DoorRules{FirstPerson: &permissionsv1.FirstPersonRule{SubjectId: group, ScheduleId: hours, HoldOthers: true}}
		},
		"emergency list": func(group string) *permissionsv1.DoorRules {
			return &permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{
				Budget: durationpb.New(time.Hour), After: permissionsv1.OfflineAfter_OFFLINE_AFTER_EMERGENCY_LIST, EmergencySubjectId: group,
			}}
		},
	} {
		group := tenant.Group(t)
		door, err := there.CreateDoor(t.Context(), &permissionsv1.CreateDoorRequest{
			OrgId: string(tenant.Org), SiteId: site, Name: "Gate", IdempotencyKey: there.Once(), Rules: rules(group),
		})
		if err != nil {
			t.Fatal(err)
		}
		etag := tenant.TheGroup(t, group).GetEtag()
		if err := deleteGroup(t, tenant, group, etag); !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
			t.Fatalf("%s: while the door names it: %v", name, err)
		}
		read, err := there.GetDoor(t.Context(), &permissionsv1.GetDoorRequest{OrgId: string(tenant.Org), DoorId: door.GetDoorId()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = there.UpdateDoor(t.Context(), &permissionsv1.UpdateDoorRequest{
			OrgId: string(tenant.Org), DoorId: door.GetDoorId(), Etag: read.GetEtag(), Name: "Gate", UnlockFor: read.GetUnlockFor(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := deleteGroup(t, tenant, group, etag); err != nil {
			t.Fatalf("%s: when it does not any more: %v", name, err)
		}
	}
}
