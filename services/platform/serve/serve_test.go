package serve_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/serve"
)

var service = serve.Service{Name: "permissions", Schema: "permissions"}

// configured has good certificates; its database and broker are down.
func configured(t *testing.T) config.Common {
	t.Helper()
	m := rpctest.New(t)
	pair, err := m.CA.IssueService("eu", "eu-central", service.Name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return config.Common{
		Region:   "eu-central",
		Regions:  map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}},
		Database: config.Database{URL: "postgres://permissions@127.0.0.1:1/cardea"},
		NATS:     config.NATS{URL: "nats://127.0.0.1:1"},
		Mesh: config.Mesh{
			Listen: "127.0.0.1:0", CAFile: file("ca.pem", m.CA.CertPEM()), CertFile: file("cert.pem", pair.CertPEM), KeyFile: file("key.pem", pair.KeyPEM),
		},
		Telemetry: config.Telemetry{LogLevel: "error"},
	}
}

func TestAProcessStartsWithItsDatabaseAndBrokerDownAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stopped bool
	err := service.Run(ctx, configured(t), func(p *serve.Process) error {
		p.Group.OnStop("own", func(context.Context) error {
			stopped = true
			return nil
		})
		server, err := rpc.NewServer(p.Server)
		if err != nil {
			return err
		}
		p.Group.Go("serving", func(context.Context) error {
			cancel()
			return nil
		})
		return p.Serve(server)
	})
	if err != nil || !stopped {
		t.Errorf("%v, own hook ran: %v", err, stopped)
	}
}

func TestAStartThatFailsClosesWhatWasOpened(t *testing.T) {
	t.Parallel()
	broken := errors.New("no key")
	var stopped bool
	err := service.Run(t.Context(), configured(t), func(p *serve.Process) error {
		p.Group.Go("a part that runs", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		p.Group.OnStop("own", func(ctx context.Context) error {
			stopped = true
			return nil
		})
		return broken
	})
	if !errors.Is(err, broken) || !stopped {
		t.Errorf("%v, own hook ran: %v", err, stopped)
	}
}

func TestABrokenConfigurationIsNotStarted(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*config.Common){
		"region":      func(c *config.Common) { c.Region = "mars" },
		"regions":     func(c *config.Common) { c.Regions = nil },
		"log level":   func(c *config.Common) { c.Telemetry.LogLevel = "loud" },
		"database":    func(c *config.Common) { c.Database.URL = "postgres://%zz" },
		"certificate": func(c *config.Common) { c.Mesh.CertFile += "x" },
	} {
		cfg := configured(t)
		spoil(&cfg)
		err := service.Run(t.Context(), cfg, func(*serve.Process) error {
			t.Errorf("%s: started", name)
			return nil
		})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
