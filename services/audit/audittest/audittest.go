// Package audittest runs the audit service in a test: the whole of it, in this process, on a real database and broker and real
// TLS.
//
//	a := audittest.Start(t, audittest.Options{})
//	a.Publish(t, event)
//	out := a.Mesh.Public(a.Mesh.Key(org, "ledger.read"))
//	client := auditv1connect.NewAuditServiceClient(out.HTTPClient(), a.URL, out.Options()...)
package audittest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// Options say what to run it on; what is left out is made.
type Options struct {
	Region   region.Name      // default eu-central
	Mesh     *rpctest.Mesh    // whose keys are good, and whose servers it knows
	Broker   *bustest.Server  // of the region
	Brokers  *bustest.Regions // in place of Broker: those of several regions, as deployed; then the test publishes itself
	Database *dbtest.Database // with audit.Migrations
	// OTLPEndpoint takes the traces; empty: they go nowhere.
	OTLPEndpoint string
}

// Service is one that runs.
type Service struct {
	URL      string
	Mesh     *rpctest.Mesh
	Broker   *bustest.Server
	Database *dbtest.Database

	bus  *bus.Bus
	stop func()
}

// Start runs an instance until Stop or the end of the test. A mesh without an identity service gets one that knows the
// mesh's own keys.
func Start(t testing.TB, o Options) *Service {
	t.Helper()
	if o.Region == "" {
		o.Region = "eu-central"
	}
	if o.Mesh == nil {
		o.Mesh = rpctest.New(t)
	}
	if o.Broker == nil && o.Brokers == nil {
		o.Broker = bustest.Start(t, bustest.Region(o.Region))
	}
	if o.Database == nil {
		o.Database = dbtest.Make(t, dbtest.Options{Schema: audit.Schema, Sets: audit.Migrations()})
	}
	s := &Service{Mesh: o.Mesh, Broker: o.Broker, Database: o.Database}
	if o.Broker != nil {
		s.bus = o.Broker.Connect(t)
	}
	address := porttest.Address(t)
	s.URL = "https://" + address
	s.stop = serve(t, configure(t, o, address))
	t.Cleanup(s.stop)
	return s
}

// Stop ends the instance as SIGTERM does.
func (s *Service) Stop() { s.stop() }

// Publish puts an event on the region's stream, on the subject where it belongs. It needs a Broker.
func (s *Service) Publish(t testing.TB, event *typev1.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.bus.PublishEvent(ctx, bus.Subject(event), event); err != nil {
		t.Fatal(err)
	}
}

func serve(t testing.TB, cfg audit.Config) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- audit.Run(ctx, cfg) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("audittest: %v", err)
		}
	})
}

func configure(t testing.TB, o Options, address string) audit.Config {
	t.Helper()
	r := o.Mesh.Region(t, o.Region)
	pair, err := o.Mesh.CA.IssueService(r.Jurisdiction, r.Name, audit.Service)
	if err != nil {
		t.Fatal(err)
	}
	var cfg audit.Config
	cfg.Region = o.Region
	cfg.Regions = map[region.Name]region.Spec{}
	for _, each := range o.Mesh.Regions.All() {
		cfg.Regions[each.Name] = region.Spec{Code: each.Code, Jurisdiction: each.Jurisdiction}
	}
	cfg.Database.URL = config.URL(o.Database.URL)
	if o.Brokers != nil {
		cfg.NATS = o.Brokers.Config(t, o.Region, audit.Service).NATS
	} else {
		cfg.NATS.URL = o.Broker.URL()
	}
	cfg.Mesh = config.Mesh{Listen: address, Peers: map[string]map[region.Name][]string{"identity": identities(t, o.Mesh, o.Region)}}
	cfg.Mesh.CAFile, cfg.Mesh.CertFile, cfg.Mesh.KeyFile = files(t, o.Mesh.CA.CertPEM(), pair)
	cfg.Telemetry = config.Telemetry{OTLPEndpoint: o.OTLPEndpoint, LogLevel: "error"}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func files(t testing.TB, ca []byte, pair pki.Pair) (caFile, certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, pem []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("ca.pem", ca), write("cert.pem", pair.CertPEM), write("key.pem", pair.KeyPEM)
}
