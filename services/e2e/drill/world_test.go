package drill_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/audit/audittest"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// regions are those of the drill's jurisdiction; everything's home is the first.
var regions = []region.Name{"eu-central", "eu-west"}

// world is one jurisdiction with all that a swipe and a revocation need. Histories play in it one after the other, each with an
// organization of its own; between them it is whole, and its clock never goes back.
type world struct {
	t        testing.TB
	mesh     *rpctest.Mesh
	brokers  *bustest.Regions
	identity *identitytest.Service
	audit    *audittest.Service // the home's
	// Databases of permissions and the gateways; identity has its own.
	permissionsDB, gatewayDB *dbtest.Database
	root                     *pki.Authority
	state                    *keyring.Ring
	exchange                 *exchange
	// ahead is what the world's clock is ahead of the machine's, in nanoseconds.
	ahead atomic.Int64
	sites [2]*site
}

// site is what runs in a region.
type site struct {
	name region.Name
	// mu guards what follows: one thing happens to a site at a time.
	mu          sync.Mutex
	brokerUp    bool
	permissions *process // nil: stopped
	gateway     *process // nil: killed
	// stateDir is the gateway's, as the last one left it.
	stateDir string
	// frozen is silent while no lock hears the gateway.
	frozen mode
	// brokers is how each service reaches the site's broker, also while that is stopped.
	brokers map[string]bus.Config
	// Addresses stay the same over restarts.
	calls, locks, answers string
}

// process is a service that runs.
type process struct{ stop, kill func() }

// Now is the clock of services and locks.
func (w *world) Now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, mesh: rpctest.New(t), exchange: newExchange()}
	w.brokers = bustest.StartRegions(t, w.mesh.Regions)
	for i, name := range regions {
		w.sites[i] = &site{name: name, brokerUp: true, stateDir: t.TempDir(), calls: porttest.Address(t), locks: porttest.Address(t), answers: porttest.Address(t)}
		w.sites[i].brokers = map[string]bus.Config{}
		for _, service := range []string{gateway.Service, permissions.Service} {
			w.sites[i].brokers[service] = w.brokers.Config(t, name, service)
		}
		b := w.brokers.Connect(t, name, gateway.Service)
		must(t, b.EnsureStreams(t.Context()))
		must(t, b.EnsureBuckets(t.Context()))
		w.mesh.Know(gateway.Service, name, "https://"+w.sites[i].calls)
		w.mesh.Know(permissions.Service, name, "https://"+w.sites[i].answers)
	}
	eu := w.mesh.Regions.In("eu")
	w.permissionsDB = dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Regions: eu, Sets: permissions.Migrations()})
	w.gatewayDB = dbtest.Make(t, dbtest.Options{Schema: gateway.Schema, Regions: eu, Sets: gateway.Migrations()})
	w.identity = identitytest.Start(t, w.mesh, regions[0], identitytest.Bus(w.brokers.Connect(t, regions[0], "identity")))
	w.audit = audittest.Start(t, audittest.Options{Region: regions[0], Mesh: w.mesh, Brokers: w.brokers})
	var err error
	w.root, err = pki.NewRoot("device root", time.Now().Add(24*3650*time.Hour))
	must(t, err)
	w.state = identitytest.StateRing(t, "eu")
	t.Cleanup(func() {
		for _, s := range w.sites {
			w.end(s)
		}
	})
	w.mend()
	return w
}

func (w *world) end(s *site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range []*process{s.gateway, s.permissions} {
		if p != nil {
			p.stop()
		}
	}
	s.gateway, s.permissions = nil, nil
}

// mend starts whatever does not run.
func (w *world) mend() {
	for i := range w.sites {
		w.startBroker(i)
		w.startPermissions(i)
		w.startGateway(i)
	}
}

func (w *world) stopBroker(i int) {
	s := w.sites[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.brokerUp {
		w.brokers.Stop(s.name)
	}
	s.brokerUp = false
}

func (w *world) startBroker(i int) {
	s := w.sites[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.brokerUp {
		w.brokers.Restart(w.t, s.name)
	}
	s.brokerUp = true
}

func (w *world) stopPermissions(i int) {
	s := w.sites[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.permissions != nil {
		s.permissions.stop()
	}
	s.permissions = nil
}

func (w *world) startPermissions(i int) {
	s := w.sites[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.permissions == nil {
		s.permissions = w.runPermissions(s)
	}
}

// permissionsAt calls the service of a region.
func (w *world) permissionsAt(i int, key config.Secret) (permissionsv1connect.PermissionsServiceClient, func()) {
	out := w.mesh.Public(key)
	return permissionsv1connect.NewPermissionsServiceClient(out.HTTPClient(), "https://"+w.sites[i].answers, out.Options()...), out.CloseIdle
}

func (w *world) gatewayAt(i int, key config.Secret) (gatewayv1connect.GatewayServiceClient, func()) {
	out := w.mesh.Public(key)
	return gatewayv1connect.NewGatewayServiceClient(out.HTTPClient(), "https://"+w.sites[i].calls, out.Options()...), out.CloseIdle
}

func (w *world) runPermissions(s *site) *process {
	w.t.Helper()
	answers, err := keyring.New([]keyring.Key{{ID: "answer-1", Secret: [32]byte{1}}})
	must(w.t, err)
	broker, err := bus.Connect(context.Background(), s.brokers[permissions.Service])
	must(w.t, err)
	cfg := w.mesh.Config(w.t, permissions.Service, s.name)
	instance, err := permissions.New(permissions.Parts{
		Region: w.mesh.Region(w.t, s.name), Regions: w.mesh.Regions, Telemetry: w.mesh.Telemetry, DB: w.permissionsDB.DB, Answers: answers,
		Publisher: broker, Dialer: cfg.Dialer, Now: w.Now,
	})
	must(w.t, err)
	server, err := rpc.NewServer(instance.Server(cfg))
	must(w.t, err)
	instance.Mount(server)
	stop := w.run("permissions of "+string(s.name), s.answers, server,
		instance.Relay.Run, instance.Project, func(ctx context.Context) error {
			return broker.Overhear(ctx, bus.ServiceEvents(s.name, permissions.Service), instance.Heard)
		})
	return &process{stop: func() { stop(); broker.Close() }}
}

// run serves calls at an address and runs parts beside it, until what it returns is called.
func (w *world) run(what, at string, server *rpc.Server, parts ...func(context.Context) error) (stop func()) {
	w.t.Helper()
	l := listen(w.t, at)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, part := range append(parts, func(ctx context.Context) error { return server.Serve(ctx, l) }) {
		all.Go(func() {
			if err := part(ctx); err != nil {
				w.t.Errorf("%s: %v", what, err)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// listen takes an address again that an ended process had.
func listen(t testing.TB, at string) net.Listener {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err := net.Listen("tcp", at)
		if err == nil {
			return l
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
