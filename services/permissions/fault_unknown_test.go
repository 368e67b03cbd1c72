package permissions_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// receipt is what every answer to a write has.
type receipt interface {
	GetToken() *typev1.ConsistencyToken
}

// call is one request that can be repeated as it is.
type call func(context.Context) (receipt, error)

func calling[Q any, A receipt](method func(context.Context, Q) (A, error), request Q) call {
	return func(ctx context.Context) (receipt, error) { return method(ctx, request) }
}

// things are what the commands of the test below are about.
type things struct{ site, door, other, person, group, grant, share, role, lockdown string }

func newThings(t *testing.T, n *permissionstest.Tenant) things {
	x := things{site: n.Site(t, "UTC"), person: n.Person(t)}
	x.door, x.other = n.Door(t, x.site), n.Door(t, x.site)
	x.group = n.Group(t, x.person)
	x.grant = n.LetShare(t, x.person, x.door, 2)
	x.share = n.Share(t, x.grant, x.person, n.Person(t), 0)
	x.lockdown = n.LockDown(t, x.other, 5)
	role, err := n.AssignRole(t.Context(), roleOf(n, x, permissionsv1.Role_ROLE_VIEWER))
	if err != nil {
		t.Fatal(err)
	}
	n.Token, x.role = role.GetToken(), role.GetRoleId()
	return x
}

func roleOf(n *permissionstest.Tenant, x things, role permissionsv1.Role) *permissionsv1.AssignRoleRequest {
	return &permissionsv1.AssignRoleRequest{
		OrgId: string(n.Org), SiteId: x.site, SubjectId: x.person, Role: role, IdempotencyKey: role.String(),
	}
}

// The connection is lost while a command is being committed: its caller does not know. Said again, it is done once, whether
// it had been or not, and the third time is told the same.
func TestACommandWhoseAnswerWasLostIsDoneOnceWhenItIsSaidAgain(t *testing.T) {
	t.Parallel()
	commands := map[string]struct {
		make  func(t *testing.T, n *permissionstest.Tenant, org string, x things) call
		kind  string // of the events that it makes
		count int
	}{
		"Grant": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.Grant, &permissionsv1.GrantRequest{OrgId: org, SubjectId: x.person, TargetId: x.other, IdempotencyKey: "k"})
		}, "grant_created", 1},
		"ShareGrant": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.ShareGrant, &permissionsv1.ShareGrantRequest{OrgId: org, GrantId: x.grant, SharerId: x.person, RecipientId: n.Person(t), IdempotencyKey: "k"})
		}, "grant_created", 1},
		"CreateDoor": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.CreateDoor, &permissionsv1.CreateDoorRequest{OrgId: org, SiteId: x.site, Name: "Door", IdempotencyKey: "k"})
		}, "door_created", 1},
		"StartLockdown": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.StartLockdown, &permissionsv1.StartLockdownRequest{OrgId: org, TargetId: x.door, Rank: 3, IdempotencyKey: "k"})
		}, "lockdown_started", 1},
		"AssignRole": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.AssignRole, roleOf(n, x, permissionsv1.Role_ROLE_AUDITOR))
		}, "role_assigned", 1},
		"AddMember": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.AddMember, &permissionsv1.AddMemberRequest{OrgId: org, GroupId: x.group, MemberId: n.Person(t)})
		}, "member_added", 1},
		"RemoveMember": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.RemoveMember, &permissionsv1.RemoveMemberRequest{OrgId: org, GroupId: x.group, MemberId: x.person})
		}, "member_removed", 1},
		"Revoke, with a share": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.Revoke, &permissionsv1.RevokeRequest{OrgId: org, GrantId: x.grant})
		}, "grant_revoked", 2},
		"EndAccess": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.EndAccess, &permissionsv1.EndAccessRequest{OrgId: org, Region: string(n.Home), PersonId: x.person})
		}, "grant_revoked", 2},
		"RevokeRole": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.RevokeRole, &permissionsv1.RevokeRoleRequest{OrgId: org, RoleId: x.role})
		}, "role_revoked", 1},
		"EndLockdown": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.EndLockdown, &permissionsv1.EndLockdownRequest{OrgId: org, LockdownId: x.lockdown})
		}, "lockdown_ended", 1},
		"UpdateGrant": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			req := updateOf(n.TheGrant(t, x.share))
			req.MaxUses = 7
			return calling(n.UpdateGrant, req)
		}, "grant_updated", 1},
		"UpdateDoor": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.UpdateDoor, &permissionsv1.UpdateDoorRequest{OrgId: org, DoorId: x.door, Etag: getDoor(t, n, x.door).GetEtag(), Name: "Other"})
		}, "door_updated", 1},
		"DeleteDoor": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.DeleteDoor, &permissionsv1.DeleteDoorRequest{OrgId: org, DoorId: x.door, Etag: getDoor(t, n, x.door).GetEtag()})
		}, "door_deleted", 1},
		"DeleteGroup": {func(t *testing.T, n *permissionstest.Tenant, org string, x things) call {
			return calling(n.DeleteGroup, &permissionsv1.DeleteGroupRequest{OrgId: org, GroupId: x.group, Etag: n.TheGroup(t, x.group).GetEtag()})
		}, "group_deleted", 1},
	}
	for outcome, arrives := range map[string]bool{"committed": true, "rolled back": false} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			mesh := rpctest.New(t)
			direct := permissionstest.Start(t, mesh, central)
			svc, proxy := behind(t, mesh, central, direct.Database, permissions.Projection{})
			for name, c := range commands {
				t.Run(name, func(t *testing.T) {
					n := direct.Tenant(t, central)
					x := newThings(t, n)
					there := svc.TenantOf(n.Org, central)
					there.Token = n.Token
					do := c.make(t, there, string(n.Org), x)
					before := eventCount(t, direct, n, c.kind)
					loseTheCommit(t, proxy, arrives, do)
					want := 0
					if arrives {
						want = c.count
					}
					eventually(t, "the outcome", func() bool { return eventCount(t, direct, n, c.kind)-before == want })

					again := insist(t, do)
					if got := eventCount(t, direct, n, c.kind) - before; got != c.count {
						t.Errorf("%d events %s after it was said again, want %d", got, c.kind, c.count)
					}
					if third := insist(t, do); third.GetToken().GetVersion() != again.GetToken().GetVersion() {
						t.Errorf("the third time %v, the second %v", third, again)
					}
					if got := headOf(t, direct, n); got != n.Token.GetVersion()+1 {
						t.Errorf("%d commits, want 1", got-n.Token.GetVersion())
					}
				})
			}
		})
	}
}

// loseTheCommit says a command and cuts every connection that commits, before or after the commit arrives.
func loseTheCommit(t *testing.T, proxy *dbtest.Proxy, arrives bool, do call) {
	t.Helper()
	defer proxy.SetTap(nil)
	proxy.SetTap(func(sent []byte) ([]byte, bool) {
		switch {
		case !bytes.Contains(bytes.ToLower(sent), []byte("commit")):
			return sent, false
		case arrives:
			return sent, true
		}
		return nil, true
	})
	for tries := 0; ; tries++ {
		_, err := do(t.Context())
		if fault.Is(err, faultv1.Reason_REASON_UNKNOWN_OUTCOME) {
			return
		}
		if !fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) || tries > 50 { // a connection that an earlier cut left dead
			t.Fatalf("the commit's connection was lost: %v", err)
		}
	}
}

// insist repeats a call until the database is back.
func insist(t *testing.T, do call) receipt {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		out, err := do(t.Context())
		if err == nil {
			return out
		}
		if !unavailable(err) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func eventCount(t *testing.T, svc *permissionstest.Service, n *permissionstest.Tenant, kind string) int {
	return countOf(t, svc, `SELECT count(*) FROM events WHERE org = $1 AND kind = $2`, n.Org, kind)
}

func headOf(t *testing.T, svc *permissionstest.Service, n *permissionstest.Tenant) int64 {
	return int64(countOf(t, svc, `SELECT version FROM org_heads WHERE org = $1 AND region = $2`, n.Org, string(n.Home)))
}

func countOf(t *testing.T, svc *permissionstest.Service, query string, args ...any) (n int) {
	t.Helper()
	if err := svc.Database.DB.Pool().QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
