package permissions_test

import (
	"context"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/durationpb"
)

// gateways is a gateway service with two registered gateways, which apply what they are told to.
type gateways struct {
	gatewayv1connect.UnimplementedGatewayServiceHandler

	mu      sync.Mutex // guards what follows
	applied [2]int64
	changed chan struct{}
}

func (g *gateways) apply(gateway int, version int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.applied[gateway] = version
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gateways) state(version int64) (out *gatewayv1.WaitAppliedResponse, all bool, changed chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, all = &gatewayv1.WaitAppliedResponse{}, true
	for i, at := range []string{"eu-central", "eu-west"} {
		status := &gatewayv1.GatewayStatus{GatewayId: "gateway-" + at, Region: at, Version: g.applied[i], Applied: g.applied[i] >= version}
		out.Gateways = append(out.Gateways, status)
		all = all && status.GetApplied()
	}
	return out, all, g.changed
}

func (g *gateways) WaitApplied(ctx context.Context, req *gatewayv1.WaitAppliedRequest) (*gatewayv1.WaitAppliedResponse, error) {
	limit := time.After(req.GetTimeout().AsDuration())
	for {
		out, all, changed := g.state(req.GetToken().GetVersion())
		if all {
			return out, nil
		}
		select {
		case <-changed:
		case <-limit:
			return out, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func startGateways(t *testing.T, mesh *rpctest.Mesh, at region.Name) (*gateways, *rpctest.Server) {
	t.Helper()
	g := &gateways{changed: make(chan struct{})}
	cfg := mesh.Config(t, "device-gateway", at)
	cfg.MeshCallers = map[string][]string{"mesh.wait_applied": {"permissions"}}
	server := mesh.Serve(t, cfg, func(s *rpc.Server) { s.Handle(gatewayv1connect.NewGatewayServiceHandler(g, s.Options()...)) })
	return g, server
}

func waitEnforced(t *testing.T, tenant *permissionstest.Tenant, timeout time.Duration) *permissionsv1.WaitEnforcedResponse {
	t.Helper()
	out, err := tenant.WaitEnforced(t.Context(), &permissionsv1.WaitEnforcedRequest{
		OrgId: string(tenant.Org), Region: tenant.Token.GetRegion(), Token: tenant.Token, Timeout: durationpb.New(timeout),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEnforcedMeansEveryRegisteredGateway(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	svc := permissionstest.Start(t, mesh, central)
	tenant := svc.Tenant(t, central)
	tenant.Site(t, "UTC")

	if out := waitEnforced(t, tenant, 100*time.Millisecond); out.GetEnforced() {
		t.Fatalf("enforced with nobody to ask: %v", out)
	}
	g, _ := startGateways(t, mesh, central)
	g.apply(0, tenant.Token.GetVersion())
	out := waitEnforced(t, tenant, 100*time.Millisecond)
	if out.GetEnforced() || len(out.GetApplied()) != 1 || len(out.GetPendingGateways()) != 1 || out.GetPendingGateways()[0].GetRegion() != "eu-west" {
		t.Fatalf("one of two applied: %v", out)
	}
	go g.apply(1, tenant.Token.GetVersion())
	if out := waitEnforced(t, tenant, 10*time.Second); !out.GetEnforced() || len(out.GetApplied()) != 2 {
		t.Fatalf("both applied: %v", out)
	}
}

func TestTheNeighboursGatewayServiceCanBeAsked(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	tenant := permissionstest.Start(t, mesh, central).Tenant(t, central)
	tenant.Site(t, "UTC")
	_, down := startGateways(t, mesh, central)
	down.Stop()
	g, _ := startGateways(t, mesh, west)
	g.apply(0, 1)
	g.apply(1, 1)
	if out := waitEnforced(t, tenant, 10*time.Second); !out.GetEnforced() {
		t.Fatalf("got %v", out)
	}
}

func TestARegionThatWasNotToldIsPending(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	eu := permissionstest.Start(t, mesh, central)
	over := permissionstest.Start(t, mesh, us)
	tenant := eu.Tenant(t, central)
	there := over.TenantOf(tenant.Org, us)
	person := tenant.Person(t)
	group := tenant.Group(t, person)
	door := there.Door(t, there.Site(t, "UTC"))
	there.Let(t, group, door, "")
	over.Broker.Wait(t, "the copy", func() bool { return len(over.Broker.Events("memberships_received")) == 1 })
	g, _ := startGateways(t, mesh, central)
	g.apply(0, 1<<40)
	g.apply(1, 1<<40)

	over.Stop() // the US is cut off
	tenant.Take(t, group, person)
	out := waitEnforced(t, tenant, 200*time.Millisecond)
	if out.GetEnforced() || len(out.GetPendingRegions()) != 1 || out.GetPendingRegions()[0] != "us-east" {
		t.Fatalf("got %v", out)
	}
	permissionstest.StartWith(t, mesh, us, permissionstest.Options{Database: over.Database})
	if out := waitEnforced(t, tenant, 20*time.Second); !out.GetEnforced() {
		t.Fatalf("after the US was back: %v", out)
	}
}
