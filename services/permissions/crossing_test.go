package permissions_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// followed is a group of the EU whose one member may open a door in the US, with the copy arrived there. The EU's gateways
// have applied everything.
type followed struct {
	mesh          *rpctest.Mesh
	eu, us        *permissionstest.Service
	tenant        *permissionstest.Tenant
	group, person string
}

func newFollowed(t *testing.T) *followed {
	t.Helper()
	f := &followed{mesh: rpctest.New(t)}
	f.eu, f.us = permissionstest.Start(t, f.mesh, central), permissionstest.Start(t, f.mesh, us)
	f.tenant = f.eu.Tenant(t, central)
	there := f.us.TenantOf(f.tenant.Org, us)
	f.person = f.tenant.Person(t)
	f.group = f.tenant.Group(t, f.person)
	there.Let(t, f.group, there.Door(t, there.Site(t, "UTC")), "")
	f.us.Broker.Wait(t, "the copy", f.received(1))
	g, _ := startGateways(t, f.mesh, central)
	g.apply(1<<40, central, west)
	return f
}

// received holds when the US has taken n copies.
func (f *followed) received(n int) func() bool {
	return func() bool { return len(f.us.Broker.Events("memberships_received")) >= n }
}

// head is that of the organization in the US, in a bucket there.
func (f *followed) head() int64 {
	return f.us.Broker.Record(us, outbox.HeadKey(f.tenant.Org, "permissions", us)).GetVersion()
}

func wantPending(t *testing.T, out *permissionsv1.WaitEnforcedResponse, regions ...string) {
	t.Helper()
	if out.GetEnforced() || !slices.Equal(out.GetPendingRegions(), regions) || len(out.GetPendingGateways()) > 0 {
		t.Fatalf("got %v, want %v pending", out, regions)
	}
}

func TestARegionThatWasNotToldIsPending(t *testing.T) {
	t.Parallel()
	f := newFollowed(t)
	over, _ := startGateways(t, f.mesh, us)
	over.apply(1<<40, us)
	f.us.Stop() // the US is cut off
	f.tenant.Take(t, f.group, f.person)
	wantPending(t, waitEnforced(t, f.tenant, 200*time.Millisecond), "us-east")
	permissionstest.StartWith(t, f.mesh, us, permissionstest.Options{Database: f.us.Database})
	if out := waitEnforced(t, f.tenant, 20*time.Second); !out.GetEnforced() {
		t.Fatalf("after the US was back: %v", out)
	}
}

// As long as locks across the border are exposed, whoever asks hears of them: the crossing is not confirmed before.
func TestLocksAcrossTheBorderAreListedEachTime(t *testing.T) {
	t.Parallel()
	f := newFollowed(t)
	over, server := startGateways(t, f.mesh, us)
	over.apply(1<<40, us)
	ends, goesOn := exposures()
	over.expose(ends, goesOn)
	f.tenant.Take(t, f.group, f.person)
	wantExposures(t, waitEnforced(t, f.tenant, 20*time.Second), ends, goesOn)
	wantExposures(t, waitEnforced(t, f.tenant, 20*time.Second), ends, goesOn)
	over.expose(goesOn)
	wantExposures(t, waitEnforced(t, f.tenant, 20*time.Second), goesOn)
	over.expose()
	wantExposures(t, waitEnforced(t, f.tenant, 20*time.Second))
	server.Stop() // it was confirmed
	wantExposures(t, waitEnforced(t, f.tenant, 100*time.Millisecond))
}

// The US has been told, and its gateways do not know yet: its doors still open.
func TestARegionIsPendingUntilItsGatewaysHaveApplied(t *testing.T) {
	t.Parallel()
	f := newFollowed(t)
	before := f.head()
	f.tenant.Take(t, f.group, f.person)
	f.us.Broker.Wait(t, "the change", f.received(2))
	wantPending(t, waitEnforced(t, f.tenant, 100*time.Millisecond), "us-east") // nobody there to ask

	over, server := startGateways(t, f.mesh, us)
	over.apply(before, us)
	wantPending(t, waitEnforced(t, f.tenant, 500*time.Millisecond), "us-east")
	f.us.Broker.Wait(t, "the receipt's head", func() bool { return f.head() > before })
	asked := over.lastAsked()
	if asked.GetService() != "permissions" || asked.GetRegion() != "us-east" || asked.GetVersion() < f.head() {
		t.Fatalf("the US gateways were asked for %v, the receipt is in version %d", asked, f.head())
	}
	go over.apply(f.head(), us)
	if out := waitEnforced(t, f.tenant, 10*time.Second); !out.GetEnforced() {
		t.Fatalf("when the US had applied it: %v", out)
	}

	// It was confirmed: the US need not be there any more.
	server.Stop()
	f.us.Stop()
	if out := waitEnforced(t, f.tenant, 100*time.Millisecond); !out.GetEnforced() {
		t.Fatalf("asked again: %v", out)
	}
	f.tenant.Site(t, "UTC") // a commit that calls nobody
	if out := waitEnforced(t, f.tenant, 100*time.Millisecond); !out.GetEnforced() {
		t.Fatalf("a later commit of the EU's own: %v", out)
	}
	f.tenant.Add(t, f.group, f.person)
	wantPending(t, waitEnforced(t, f.tenant, 100*time.Millisecond), "us-east")
}

// register is identity of one region, as far as enforcement asks it.
type register struct {
	identityv1connect.UnimplementedIdentityServiceHandler

	mu        sync.Mutex // guards what follows
	head      int64
	crossings []*typev1.Crossing
	asked     int
}

func (r *register) GetStanding(_ context.Context, req *identityv1.GetStandingRequest) (*identityv1.GetStandingResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	out := &identityv1.GetStandingResponse{Token: &typev1.ConsistencyToken{
		Service: "identity", Region: req.GetRegion(), OrgId: req.GetOrgId(), Version: r.head,
	}}
	if req.GetVersion() > 0 {
		for _, c := range r.crossings {
			out.Crossings = append(out.Crossings, &typev1.Crossing{Region: c.Region, Version: c.Version, Sent: c.Sent, Confirmed: c.Confirmed})
		}
	}
	return out, nil
}

func (r *register) ConfirmCrossing(_ context.Context, req *identityv1.ConfirmCrossingRequest) (*identityv1.ConfirmCrossingResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.crossings {
		c.Confirmed = c.Confirmed || c.Region == req.GetFollowerRegion() && c.Version <= req.GetVersion()
	}
	return &identityv1.ConfirmCrossingResponse{}, nil
}

func (r *register) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *register) questions() (n int) {
	r.set(func() { n = r.asked })
	return n
}

func startRegister(t *testing.T, mesh *rpctest.Mesh, at region.Name, r *register) *rpctest.Server {
	t.Helper()
	cfg := mesh.Config(t, "identity", at)
	cfg.MeshCallers = map[string][]string{"mesh.standing": {"permissions"}}
	return mesh.Serve(t, cfg, func(s *rpc.Server) { s.Handle(identityv1connect.NewIdentityServiceHandler(r, s.Options()...)) })
}

func TestACommitOfIdentityIsEnforcedOnBothSides(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	tenant := permissionstest.Start(t, mesh, central).Tenant(t, central)
	tenant.Token = &typev1.ConsistencyToken{Service: "identity", Region: "eu-central", OrgId: string(tenant.Org), Version: 7}
	g, _ := startGateways(t, mesh, central)
	g.apply(7, central, west)
	wantPending(t, waitEnforced(t, tenant, 100*time.Millisecond), "eu-central") // nobody knows whom identity has called

	crossing := &typev1.Crossing{Region: "us-east", Version: 6}
	home := &register{head: 7, crossings: []*typev1.Crossing{crossing}}
	startRegister(t, mesh, central, home)
	wantPending(t, waitEnforced(t, tenant, 100*time.Millisecond), "us-east") // not sent
	home.set(func() { crossing.Sent = true })
	wantPending(t, waitEnforced(t, tenant, 100*time.Millisecond), "us-east") // the US cannot be asked
	there := &register{head: 3}
	startRegister(t, mesh, us, there)
	over, _ := startGateways(t, mesh, us)
	over.apply(2, us)
	wantPending(t, waitEnforced(t, tenant, 500*time.Millisecond), "us-east") // not applied
	if asked := over.lastAsked(); asked.GetService() != "identity" || asked.GetRegion() != "us-east" || asked.GetVersion() != 3 {
		t.Fatalf("the US gateways were asked for %v", asked)
	}
	go over.apply(3, us)
	if out := waitEnforced(t, tenant, 10*time.Second); !out.GetEnforced() {
		t.Fatalf("when the US had applied it: %v", out)
	}
	home.set(func() {
		if !crossing.Confirmed {
			t.Error("not confirmed")
		}
	})
	before := there.questions()
	if out := waitEnforced(t, tenant, 100*time.Millisecond); !out.GetEnforced() || there.questions() != before {
		t.Fatalf("asked again: %v, after %d questions to the US %d", out, before, there.questions())
	}
}
