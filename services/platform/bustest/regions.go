package bustest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bus/brokerconf"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Observer is a service name that may read everything at every broker of Regions.
const Observer = "observer"

// Regions are the brokers of several regions with the configuration of a deployment: TLS, certificates as users, rights per
// service, a router per jurisdiction.
type Regions struct {
	Map          *region.Map
	dir          string
	ca           *pki.Authority
	run          map[string]*configured // brokers by region, routers by jurisdiction
	certificates map[string]brokerconf.TLS
}

// configured is a server that was started from a configuration file.
type configured struct {
	file string
	s    *server.Server
}

// StartRegions runs a broker for each region and a router for each jurisdiction until the test ends.
func StartRegions(t testing.TB, regions *region.Map) *Regions {
	t.Helper()
	ca, err := pki.NewRoot("bustest", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r := &Regions{Map: regions, dir: t.TempDir(), ca: ca, run: map[string]*configured{}, certificates: map[string]brokerconf.TLS{}}
	if err := os.WriteFile(filepath.Join(r.dir, "ca.pem"), ca.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	routers := map[region.Jurisdiction]string{}
	for _, of := range regions.All() {
		router, ok := routers[of.Jurisdiction]
		if !ok {
			router = porttest.Address(t)
			routers[of.Jurisdiction] = router
			r.start(t, string(of.Jurisdiction), brokerconf.Router{
				Jurisdiction: of.Jurisdiction, Regions: regions, Listen: router, Clients: porttest.Address(t),
				TLS: r.certificate(t, of.Jurisdiction, "router", brokerconf.RouterService),
			}.Config())
		}
		r.start(t, string(of.Name), brokerconf.Broker{
			Region: of, Regions: regions, Listen: porttest.Address(t), Router: router, Store: filepath.Join(r.dir, "store-"+string(of.Name)),
			TLS:       r.certificate(t, of.Jurisdiction, of.Name, brokerconf.BrokerService),
			Observers: []string{Observer},
		}.Config())
	}
	return r
}

func (r *Regions) start(t testing.TB, name, config string) {
	t.Helper()
	file := filepath.Join(r.dir, name+".conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &configured{file: file}
	r.run[name] = c
	c.run(t)
	t.Cleanup(c.stop)
}

func (c *configured) run(t testing.TB) {
	t.Helper()
	opts, err := server.ProcessConfigFile(c.file)
	if err != nil {
		t.Fatalf("configuration %s: %v", filepath.Base(c.file), err)
	}
	opts.NoSigs = true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatalf("start %s: %v", filepath.Base(c.file), err)
	}
	s.Start()
	c.s = s
	if !s.ReadyForConnections(readyLimit) {
		t.Fatalf("%s was not ready within %s", filepath.Base(c.file), readyLimit)
	}
}

func (c *configured) stop() {
	c.s.Shutdown()
	c.s.WaitForShutdown()
}

// Stop ends the broker of a region; its files stay.
func (r *Regions) Stop(of region.Name) { r.run[string(of)].stop() }

// Restart starts the broker of a region again on the same address and files.
func (r *Regions) Restart(t testing.TB, of region.Name) {
	t.Helper()
	r.run[string(of)].stop()
	r.run[string(of)].run(t)
}

// StopRouter cuts the regions of a jurisdiction from each other.
func (r *Regions) StopRouter(of region.Jurisdiction) { r.run[string(of)].stop() }

// RestartRouter joins them again.
func (r *Regions) RestartRouter(t testing.TB, of region.Jurisdiction) {
	t.Helper()
	r.run[string(of)].stop()
	r.run[string(of)].run(t)
}

// certificate returns the files of a service's certificate, made on first use.
func (r *Regions) certificate(t testing.TB, j region.Jurisdiction, of region.Name, service string) brokerconf.TLS {
	t.Helper()
	name := string(j) + "-" + string(of) + "-" + service
	if files, ok := r.certificates[name]; ok {
		return files
	}
	pair, err := r.ca.IssueService(j, of, service)
	if err != nil {
		t.Fatal(err)
	}
	files := brokerconf.TLS{
		CAFile: filepath.Join(r.dir, "ca.pem"), CertFile: filepath.Join(r.dir, name+".pem"), KeyFile: filepath.Join(r.dir, name+".key"),
	}
	for path, content := range map[string][]byte{files.CertFile: pair.CertPEM, files.KeyFile: pair.KeyPEM} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.certificates[name] = files
	return files
}

// Config is what a service of a region needs to connect to its broker.
func (r *Regions) Config(t testing.TB, of region.Name, service string) bus.Config {
	t.Helper()
	home, err := r.Map.Lookup(of)
	if err != nil {
		t.Fatal(err)
	}
	files := r.certificate(t, home.Jurisdiction, of, service)
	return bus.Config{
		NATS:    bus.NATS{URL: r.URL(of), CAFile: files.CAFile, CertFile: files.CertFile, KeyFile: files.KeyFile},
		Region:  of,
		Service: service,
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// URL is where clients of a region connect.
func (r *Regions) URL(of region.Name) string {
	return "tls://" + r.run[string(of)].s.Addr().String()
}

// Connect opens the bus of a service in a region until the test ends.
func (r *Regions) Connect(t testing.TB, of region.Name, service string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(context.Background(), r.Config(t, of, service))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Dial opens a plain connection with a service's certificate, to try what the bus would not.
func (r *Regions) Dial(t testing.TB, of region.Name, service string, options ...nats.Option) *nats.Conn {
	t.Helper()
	cfg := r.Config(t, of, service).NATS
	options = append([]nats.Option{nats.RootCAs(cfg.CAFile), nats.ClientCert(cfg.CertFile, cfg.KeyFile),
		nats.CustomInboxPrefix(bus.InboxPrefix(of, service))}, options...)
	nc, err := nats.Connect(cfg.URL, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
