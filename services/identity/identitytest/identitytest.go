// Package identitytest runs the real identity service inside a test of another module: own PostgreSQL database, real TLS,
// relay and consumer, on a broker.
//
//	mesh := rpctest.New(t)
//	eu := identitytest.Start(t, mesh, "eu-central")
//	acme := eu.Organization(t, "acme")
//	person := eu.Person(t, acme, identitytest.Ada)
//	card := eu.Card(t, acme, person, identitytest.Card(1))
//
// Other services of the test find it through the mesh and let it judge API keys: rpc.NewKeyAuthenticator(mesh.Dialer(...)).
// A Service is safe for concurrent use.
package identitytest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"sync"
	"testing"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// Service is an identity service that runs.
type Service struct {
	URL      string
	Region   region.Region
	Database *dbtest.Database
	Broker   *bustest.Server
	// Operator may make organizations.
	Operator config.Secret

	mesh *rpctest.Mesh
	bus  *bus.Bus
	stop func()
}

// Option changes what Start makes.
type Option func(*Service)

// Broker uses the broker of a region that the test has already, to see the service's events or to send it some.
func Broker(b *bustest.Server) Option { return func(s *Service) { s.Broker = b } }

// Bus uses a connection that the test has made, to a broker that is not a bustest.Server; Broker stays nil.
func Bus(b *bus.Bus) Option { return func(s *Service) { s.bus = b } }

// Database uses a neighbour's database: the regions of a jurisdiction share one.
func Database(d *dbtest.Database) Option { return func(s *Service) { s.Database = d } }

// Start runs the service of a region until Stop or the end of the test; the mesh's directory knows it.
func Start(t testing.TB, mesh *rpctest.Mesh, name region.Name, options ...Option) *Service {
	t.Helper()
	s := &Service{Region: mesh.Region(t, name), mesh: mesh}
	for _, o := range options {
		o(s)
	}
	own := mesh.Regions.In(s.Region.Jurisdiction)
	if s.Database == nil {
		s.Database = dbtest.Make(t, dbtest.Options{Schema: identity.Schema, Regions: own, Sets: identity.Migrations()})
	}
	if s.bus == nil {
		if s.Broker == nil {
			s.Broker = bustest.Start(t, bustest.Region(name))
		}
		s.bus = s.Broker.Connect(t)
	}
	operator := s.newOperator()
	certificate := mesh.Identity(t, identity.Service, name)
	s.run(t, identity.Parts{
		Region: s.Region, Regions: mesh.Regions, DB: s.Database.DB, Bus: s.bus,
		Dialer: mesh.DialerAs(t, certificate), TLS: certificate.Server(), Telemetry: mesh.Telemetry,
		Keys: identity.Rings{
			Person: ring(t, s.Region.Jurisdiction, config.PurposePerson),
			State:  StateRing(t, s.Region.Jurisdiction),
			Answer: ring(t, s.Region.Jurisdiction, config.PurposeAnswer),
		},
		Directory: own[0].Name, Operators: []rpc.Operator{operator},
		PublicEndpoints: map[region.Name]map[string]string{},
	})
	return s
}

func (s *Service) run(t testing.TB, parts identity.Parts) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.URL = "https://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- parts.Run(ctx, listener) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("identity in %s: %v", s.Region.Name, err)
		}
	})
	t.Cleanup(s.stop)
	s.mesh.Know(identity.Service, s.Region.Name, s.URL)
}

// Stop ends the service; the directory still lists it, as in life. The end of the test does it too.
func (s *Service) Stop() { s.stop() }

func (s *Service) newOperator() rpc.Operator {
	secret := rand.Text()
	sum := sha256.Sum256([]byte(secret))
	s.Operator = config.Secret("operator_test_" + secret)
	return rpc.Operator{Name: "test", KeySHA256: hex.EncodeToString(sum[:])}
}

// StateRing is the ring with which identity and the gateways of a jurisdiction share digest keys.
func StateRing(t testing.TB, j region.Jurisdiction) *keyring.Ring {
	return ring(t, j, config.PurposeState)
}

// ring is the same in every service of a jurisdiction, and another one in each jurisdiction.
func ring(t testing.TB, j region.Jurisdiction, purpose string) *keyring.Ring {
	t.Helper()
	id := string(j) + "-" + purpose + "-test"
	made, err := keyring.New([]keyring.Key{{ID: id, Secret: sha256.Sum256([]byte(id))}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Client calls the service from outside, with an API key or as its operator; empty: as nobody.
func (s *Service) Client(t testing.TB, credential config.Secret) identityv1connect.IdentityServiceClient {
	out := s.mesh.Public(credential)
	t.Cleanup(out.CloseIdle)
	return identityv1connect.NewIdentityServiceClient(out.HTTPClient(), s.URL, out.Options()...)
}
