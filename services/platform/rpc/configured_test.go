package rpc_test

import (
	"os"
	"path/filepath"
	"testing"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// written puts a service's certificate into files, as configuration names them.
func written(t *testing.T, m *rpctest.Mesh, service string, r region.Region) config.Mesh {
	t.Helper()
	pair, err := m.CA.IssueService(r.Jurisdiction, r.Name, service)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return config.Mesh{CAFile: file("ca.pem", m.CA.CertPEM()), CertFile: file("cert.pem", pair.CertPEM), KeyFile: file("key.pem", pair.KeyPEM)}
}

func TestAServiceCallsByItsConfiguration(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	server := serve(t, m, "eu-central", &handler{})
	mesh := written(t, m, "permissions", m.Region(t, "us-east"))
	mesh.Peers = map[string]map[region.Name][]string{"identity": {"eu-central": {server.URL}}}
	dialer, cfg, err := rpc.Join(config.Common{Region: "us-east", Mesh: mesh}, m.Regions, "permissions", telemetry.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer dialer.CloseIdle()
	client := identityv1connect.NewIdentityServiceClient(dialer.HTTPClient("identity"), dialer.URL("identity", "eu-central"), dialer.Options()...)
	if _, err := client.FollowOrganization(t.Context(), &identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"}); err != nil {
		t.Error(err)
	}
	if _, err := rpc.NewServer(cfg); err != nil {
		t.Error(err)
	}
	if _, _, err := rpc.Join(config.Common{Region: "mars", Mesh: mesh}, m.Regions, "permissions", telemetry.Discard()); err == nil {
		t.Error("joined in a region that is not there")
	}
}

func TestABrokenConfigurationMakesNoDialer(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	for name, spoil := range map[string]func(*config.Mesh){
		"root":      func(c *config.Mesh) { c.CAFile = c.KeyFile },
		"no root":   func(c *config.Mesh) { c.CAFile += "x" },
		"key":       func(c *config.Mesh) { c.KeyFile = written(t, m, "audit", m.Region(t, "us-east")).KeyFile },
		"directory": func(c *config.Mesh) { c.Peers = map[string]map[region.Name][]string{"x": {"us-east": {"http://x"}}} },
	} {
		cfg := written(t, m, "permissions", m.Region(t, "us-east"))
		spoil(&cfg)
		if _, err := rpc.DialerFrom(cfg, m.Regions, telemetry.Discard()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
