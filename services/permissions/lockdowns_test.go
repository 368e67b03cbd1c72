package permissions_test

import (
	"sync/atomic"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/durationpb"
)

func lockdowns(t *testing.T, n *permissionstest.Tenant) []*permissionsv1.Lockdown {
	t.Helper()
	out, err := n.ListLockdowns(t.Context(), &permissionsv1.ListLockdownsRequest{OrgId: string(n.Org), Region: string(n.Home), AtLeast: n.Latest()})
	return must(t, out, err).GetLockdowns()
}

func TestLockdownsArePublishedUnderTheirSiteUntilTheyEnd(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	org := string(tenant.Org)
	site := tenant.Site(t, "UTC")
	door := tenant.Door(t, site)
	zone := tenant.Zone(t, door)
	for _, target := range []string{door, zone, site} {
		id := tenant.LockDown(t, target, 5)
		key := org + ".site." + site + ".lockdown." + id
		svc.Broker.WaitHead(t, west, tenant.Token)
		state := read(t, svc, west, key, &permissionsv1.LockdownState{})
		if state.GetTargetId() != target || state.GetRank() != 5 || state.GetStartsAt() == nil || state.GetEndsAt() != nil {
			t.Errorf("of %s: %v", target, state)
		}
		listed := lockdowns(t, tenant)
		if len(listed) != 1 || listed[0].GetId() != id || listed[0].GetTargetId() != target || listed[0].GetNote() != "Drill" {
			t.Fatalf("listed %v", listed)
		}
		ended, err := tenant.EndLockdown(t.Context(), &permissionsv1.EndLockdownRequest{OrgId: org, LockdownId: id})
		tenant.Token = must(t, ended, err).GetToken()
		svc.Broker.WaitHead(t, west, tenant.Token)
		if record := svc.Broker.Record(west, key); !record.GetRemoved() {
			t.Errorf("its fact is still %v", record)
		}
		wantKinds(t, svc, tenant.Token.GetVersion(), "lockdown_ended")
		again, err := tenant.EndLockdown(t.Context(), &permissionsv1.EndLockdownRequest{OrgId: org, LockdownId: id})
		if must(t, again, err).GetToken().GetVersion() != tenant.Token.GetVersion() {
			t.Errorf("ended at %v, and again at %v", tenant.Token, again)
		}
		if left := lockdowns(t, tenant); len(left) != 0 {
			t.Fatalf("left %v", left)
		}
	}
	_, err := tenant.EndLockdown(t.Context(), &permissionsv1.EndLockdownRequest{OrgId: org, LockdownId: string(region.NewID(region.Lockdown, "euc"))})
	wantReason(t, err, faultv1.Reason_REASON_NOT_FOUND)
}

func TestALockdownEndsByItself(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // how far the service's clock is ahead
	svc := permissionstest.StartWith(t, rpctest.New(t), central, permissionstest.Options{
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	tenant := svc.Tenant(t, central)
	door := tenant.Door(t, tenant.Site(t, "UTC"))
	out, err := tenant.StartLockdown(t.Context(), &permissionsv1.StartLockdownRequest{
		OrgId: string(tenant.Org), TargetId: door, Rank: 10, Duration: durationpb.New(time.Hour), IdempotencyKey: tenant.Once(),
	})
	tenant.Token = must(t, out, err).GetToken()
	now := lockdowns(t, tenant)
	if len(now) != 1 || now[0].GetEndsAt().AsTime().Sub(now[0].GetStartsAt().AsTime()) != time.Hour {
		t.Fatalf("now %v", now)
	}
	ahead.Store(int64(61 * time.Minute))
	if left := lockdowns(t, tenant); len(left) != 0 {
		t.Fatalf("after an hour there is %v", left)
	}
}
