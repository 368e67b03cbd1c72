// Package permissionstest runs permissions inside a test: a real PostgreSQL, real TLS in a mesh of rpctest, and a broker in
// memory that keeps events and access state as the real one does (deduplicated, compare-and-set).
//
//	mesh := rpctest.New(t)
//	eu := permissionstest.Start(t, mesh, "eu-central")
//	tenant := eu.Tenant(t, "eu-central")
//	door := tenant.Door(t, tenant.Site(t, "Europe/Madrid"))
//
// For tests only. A Service and its Broker may be used from many goroutines; a Tenant belongs to one test.
package permissionstest

import (
	"context"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// Service is one instance that runs.
type Service struct {
	Mesh     *rpctest.Mesh
	Region   region.Name
	Database *dbtest.Database
	// Broker keeps what was published; nil when another publisher was given.
	Broker *Broker
	// URL is the server's base.
	URL    string
	server *rpctest.Server
}

// Options say what differs from the usual; the zero value is usual.
type Options struct {
	// Database is shared by the instances of one jurisdiction; default: a new one.
	Database *dbtest.Database
	// Publisher takes events and state; default: a new Broker.
	Publisher outbox.Publisher
	// Bus, if set, is the Publisher, and brings the events of other instances.
	Bus *bus.Bus
	// Projection says how organizations are kept in memory; default: every default.
	Projection permissions.Projection
	// WithoutRelay leaves what is to be sent in the outbox.
	WithoutRelay bool
	// Now is the service's clock; default: time.Now.
	Now func() time.Time
}

// Start runs an instance in a region of the mesh until the end of the test.
func Start(t testing.TB, mesh *rpctest.Mesh, at region.Name) *Service {
	t.Helper()
	return StartWith(t, mesh, at, Options{})
}

// StartWith is Start with options.
func StartWith(t testing.TB, mesh *rpctest.Mesh, at region.Name, o Options) *Service {
	t.Helper()
	own := mesh.Region(t, at)
	s := &Service{Mesh: mesh, Region: at, Database: o.Database}
	if s.Database == nil {
		s.Database = dbtest.Make(t, dbtest.Options{
			Schema: permissions.Schema, Regions: mesh.Regions.In(own.Jurisdiction), Sets: permissions.Migrations(),
		})
	}
	if o.Bus != nil {
		o.Publisher = o.Bus
	}
	if o.Publisher == nil {
		s.Broker = NewBroker()
		o.Publisher = s.Broker
	}
	answers, err := keyring.New([]keyring.Key{{ID: "answer-1", Secret: [32]byte{1}}})
	must(t, err)
	cfg := mesh.Config(t, permissions.Service, at)
	instance, err := permissions.New(permissions.Parts{
		Region: own, Regions: mesh.Regions, Telemetry: mesh.Telemetry, DB: s.Database.DB, Answers: answers,
		Publisher: o.Publisher, Dialer: cfg.Dialer, Projection: o.Projection, Now: o.Now,
	})
	must(t, err)
	s.server = mesh.Serve(t, instance.Server(cfg), func(server *rpc.Server) { instance.Mount(server) })
	s.URL = s.server.URL
	if !o.WithoutRelay {
		run(t, "relay", instance.Relay.Run)
	}
	run(t, "projection", instance.Project)
	if o.Bus != nil {
		run(t, "events", func(ctx context.Context) error {
			return o.Bus.Overhear(ctx, bus.ServiceEvents(at, permissions.Service), instance.Heard)
		})
	}
	return s
}

// Stop ends the server; the relay goes on until the end of the test.
func (s *Service) Stop() { s.server.Stop() }

// Client calls the service with a credential.
func (s *Service) Client(credential config.Secret) permissionsv1connect.PermissionsServiceClient {
	out := s.Mesh.Public(credential)
	return permissionsv1connect.NewPermissionsServiceClient(out.HTTPClient(), s.URL, out.Options()...)
}

// run runs a part of an instance until the end of the test.
func run(t testing.TB, what string, part func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- part(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("permissionstest: %s: %v", what, err)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
