package permissions_test

import (
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// shared makes a grant that may be shared and a share of it, of a part of its target.
func shared(t *testing.T, n *permissionstest.Tenant, target, part string) (grant, share string) {
	t.Helper()
	holder, guest := n.Person(t), n.Person(t)
	made, err := n.Grant(t.Context(), &permissionsv1.GrantRequest{
		OrgId: string(n.Org), SubjectId: holder, TargetId: target, ShareDepth: 1, IdempotencyKey: n.Once(),
	})
	must(t, made, err)
	passed, err := n.ShareGrant(t.Context(), &permissionsv1.ShareGrantRequest{
		OrgId: string(n.Org), GrantId: made.GetGrantId(), SharerId: holder, RecipientId: guest, TargetId: part, IdempotencyKey: n.Once(),
	})
	n.Token = must(t, passed, err).GetToken()
	return made.GetGrantId(), passed.GetGrantId()
}

// wantRevoked checks which grants the last commit has revoked, because of what, and that their facts are gone.
func wantRevoked(t *testing.T, svc *permissionstest.Service, n *permissionstest.Tenant, site string, because map[string]string) {
	t.Helper()
	svc.Broker.WaitHead(t, west, n.Token)
	got := map[string]string{}
	svc.Broker.Wait(t, "the revocations", func() bool {
		for _, ev := range svc.Broker.Events("grant_revoked") {
			payload := &permissionsv1.GrantRevoked{}
			if err := proto.Unmarshal(ev.GetPayload(), payload); err != nil {
				t.Fatal(err)
			}
			if ev.GetOrgVersion() == n.Token.GetVersion() {
				got[payload.GetGrantId()] = payload.GetBecauseOfId()
			}
		}
		return len(got) >= len(because)
	})
	for grant, why := range because {
		if said, is := got[grant]; !is || said != why {
			t.Errorf("%s: revoked %v because of %q, want %q", grant, is, said, why)
		}
		if record := svc.Broker.Record(west, string(n.Org)+".site."+site+".grant."+grant); !record.GetRemoved() {
			t.Errorf("the fact of %s is still %v", grant, record)
		}
	}
	if len(got) != len(because) {
		t.Errorf("revoked %v", got)
	}
}

func TestADeletedDoorTakesItsGrantsSharesAndLockdownsAlong(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site := tenant.Site(t, "UTC")
	door, other := tenant.Door(t, site), tenant.Door(t, site)
	plain := tenant.Let(t, tenant.Person(t), door, "")
	later := tenant.LetFor(t, tenant.Person(t), door, "", time.Now().Add(time.Hour), time.Time{})
	over := tenant.Let(t, tenant.Person(t), door, "")
	tenant.End(t, over)
	grant, share := shared(t, tenant, door, door)
	person := tenant.Person(t)
	stays := tenant.Let(t, person, other, "")
	tenant.LockDown(t, door, 10)
	kept := tenant.LockDown(t, site, 1)

	out, err := tenant.DeleteDoor(t.Context(), &permissionsv1.DeleteDoorRequest{
		OrgId: string(tenant.Org), DoorId: door, Etag: getDoor(t, tenant, door).GetEtag(),
	})
	tenant.Token = must(t, out, err).GetToken()
	wantRevoked(t, svc, tenant, site, map[string]string{plain: door, later: door, grant: door, share: door})
	if left := lockdowns(t, tenant); len(left) != 1 || left[0].GetId() != kept {
		t.Errorf("lockdowns %v", left)
	}
	endLockdown(t, tenant, kept)
	wantDecision(t, tenant.May(t, person, other, time.Time{}), granted, stays, "")
}

func endLockdown(t *testing.T, n *permissionstest.Tenant, lockdown string) {
	t.Helper()
	out, err := n.EndLockdown(t.Context(), &permissionsv1.EndLockdownRequest{OrgId: string(n.Org), LockdownId: lockdown})
	n.Token = must(t, out, err).GetToken()
}

func TestADeletedZoneTakesItsGrantsSharesAndLockdownsAlong(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site := tenant.Site(t, "UTC")
	door := tenant.Door(t, site)
	zone := tenant.Zone(t, door)
	grant, share := shared(t, tenant, zone, door)
	person := tenant.Person(t)
	stays := tenant.Let(t, person, door, "")
	tenant.LockDown(t, zone, 10)
	out, err := tenant.DeleteZone(t.Context(), &permissionsv1.DeleteZoneRequest{
		OrgId: string(tenant.Org), ZoneId: zone, Etag: getZone(t, tenant, zone).GetEtag(),
	})
	tenant.Token = must(t, out, err).GetToken()
	wantRevoked(t, svc, tenant, site, map[string]string{grant: zone, share: grant})
	if left := lockdowns(t, tenant); len(left) != 0 {
		t.Errorf("lockdowns %v", left)
	}
	wantDecision(t, tenant.May(t, person, door, time.Time{}), granted, stays, "")
}

// Who is followed only for the grants of a door is not followed any more without it.
func TestADeletedDoorEndsWhatItsGrantsFollow(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	door := tenant.Door(t, tenant.Site(t, "UTC"))
	tenant.Let(t, string(region.NewID(region.Person, "use")), door, "")
	held := func() (n int) {
		row := svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT count(*) FROM follow_reasons WHERE held`)
		if err := row.Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := held(); n != 1 {
		t.Fatalf("the grant holds %d reasons", n)
	}
	out, err := tenant.DeleteDoor(t.Context(), &permissionsv1.DeleteDoorRequest{
		OrgId: string(tenant.Org), DoorId: door, Etag: getDoor(t, tenant, door).GetEtag(),
	})
	must(t, out, err)
	if n := held(); n != 0 {
		t.Fatalf("%d reasons are left", n)
	}
}

// A deletion changes nothing of the past.
func TestThePastSurvivesDeletion(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	door, person := tenant.Door(t, tenant.Site(t, "UTC")), tenant.Person(t)
	tenant.Let(t, person, tenant.Zone(t, door), "")
	before := time.Now()
	zone := getDoor(t, tenant, door).GetZoneIds()[0]
	out, err := tenant.DeleteZone(t.Context(), &permissionsv1.DeleteZoneRequest{
		OrgId: string(tenant.Org), ZoneId: zone, Etag: getZone(t, tenant, zone).GetEtag(),
	})
	tenant.Token = must(t, out, err).GetToken()
	wantDecision(t, tenant.May(t, person, door, time.Time{}), noGrant, "", "")
	then, err := tenant.AccessAt(t.Context(), &permissionsv1.AccessAtRequest{OrgId: string(tenant.Org), DoorId: door, At: timestamppb.New(before)})
	if must(t, then, err); len(then.GetAccess()) != 1 || then.GetAccess()[0].GetPersonId() != person {
		t.Fatalf("before the deletion: %v", then.GetAccess())
	}
	now, err := tenant.AccessAt(t.Context(), &permissionsv1.AccessAtRequest{OrgId: string(tenant.Org), DoorId: door, At: timestamppb.New(time.Now())})
	if must(t, now, err); len(now.GetAccess()) != 0 {
		t.Fatalf("after it: %v", now.GetAccess())
	}
}
