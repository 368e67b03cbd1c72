package permissions_test

import (
	"context"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// gateways is a gateway service with a registered gateway in each region of a jurisdiction, which apply what they are told to.
type gateways struct {
	gatewayv1connect.UnimplementedGatewayServiceHandler
	regions []region.Region

	mu      sync.Mutex // guards what follows
	applied map[region.Name]int64
	asked   []*typev1.ConsistencyToken
	exposed []*gatewayv1.Exposure
	changed chan struct{}
}

func (g *gateways) apply(version int64, at ...region.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range at {
		g.applied[name] = version
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gateways) expose(exposures ...*gatewayv1.Exposure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.exposed = exposures
}

func (g *gateways) state(version int64) (out *gatewayv1.WaitAppliedResponse, all bool, changed chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, all = &gatewayv1.WaitAppliedResponse{}, true
	for _, at := range g.regions {
		status := &gatewayv1.GatewayStatus{
			GatewayId: "gateway-" + string(at.Name), Region: string(at.Name), Version: g.applied[at.Name], Applied: g.applied[at.Name] >= version,
		}
		out.Gateways = append(out.Gateways, status)
		all = all && status.GetApplied()
	}
	if all {
		out.Exposures = g.exposed
	}
	return out, all, g.changed
}

func (g *gateways) WaitApplied(ctx context.Context, req *gatewayv1.WaitAppliedRequest) (*gatewayv1.WaitAppliedResponse, error) {
	g.mu.Lock()
	g.asked = append(g.asked, req.GetToken())
	g.mu.Unlock()
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

func (g *gateways) lastAsked() *typev1.ConsistencyToken {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.asked) == 0 {
		return nil
	}
	return g.asked[len(g.asked)-1]
}

func startGateways(t *testing.T, mesh *rpctest.Mesh, at region.Name) (*gateways, *rpctest.Server) {
	t.Helper()
	own := mesh.Regions.In(mesh.Region(t, at).Jurisdiction)
	g := &gateways{regions: own, applied: map[region.Name]int64{}, changed: make(chan struct{})}
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
	g.apply(tenant.Token.GetVersion(), central)
	out := waitEnforced(t, tenant, 100*time.Millisecond)
	if out.GetEnforced() || len(out.GetApplied()) != 1 || len(out.GetPendingGateways()) != 1 || out.GetPendingGateways()[0].GetRegion() != "eu-west" {
		t.Fatalf("one of two applied: %v", out)
	}
	go g.apply(tenant.Token.GetVersion(), west)
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
	g.apply(1, central, west)
	if out := waitEnforced(t, tenant, 10*time.Second); !out.GetEnforced() {
		t.Fatalf("got %v", out)
	}
}

// exposures are two locks: one whose budget ends, and one that keeps going.
func exposures() (ends, goesOn *gatewayv1.Exposure) {
	ends = &gatewayv1.Exposure{DoorId: "door-1", DeviceId: "device-1", Until: timestamppb.New(time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC))}
	return ends, &gatewayv1.Exposure{DoorId: "door-2", DeviceId: "device-2"}
}

func wantExposures(t *testing.T, out *permissionsv1.WaitEnforcedResponse, want ...*gatewayv1.Exposure) {
	t.Helper()
	got := map[string]*permissionsv1.Exposure{}
	for _, e := range out.GetExposures() {
		got[e.GetDeviceId()] = e
	}
	for _, e := range want {
		told := got[e.GetDeviceId()]
		if told.GetDoorId() != e.GetDoorId() || !proto.Equal(told.GetUntil(), e.GetUntil()) {
			t.Errorf("told %v, want %v", told, e)
		}
	}
	if !out.GetEnforced() || len(out.GetExposures()) != len(want) {
		t.Fatalf("got %v, want %d exposures", out, len(want))
	}
}

func TestACommitIsEnforcedWithTheExposuresThatItLists(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	tenant := permissionstest.Start(t, mesh, central).Tenant(t, central)
	tenant.Site(t, "UTC")
	g, _ := startGateways(t, mesh, central)
	ends, goesOn := exposures()
	g.expose(ends, goesOn)
	g.apply(tenant.Token.GetVersion(), central)
	if out := waitEnforced(t, tenant, 100*time.Millisecond); out.GetEnforced() || len(out.GetExposures()) != 0 {
		t.Fatalf("with a gateway pending: %v", out)
	}
	g.apply(tenant.Token.GetVersion(), west)
	wantExposures(t, waitEnforced(t, tenant, 10*time.Second), ends, goesOn)
}
