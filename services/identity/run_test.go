package identity_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// configured is a service that runs from a configuration file, as its command does.
type configured struct {
	mesh     *rpctest.Mesh
	database *dbtest.Database
	proxy    *dbtest.Proxy
	address  string
	operator config.Secret
	text     string // of the file
	path     string
}

func configure(t *testing.T) *configured {
	t.Helper()
	c := &configured{mesh: rpctest.New(t), address: porttest.Address(t)}
	c.database = dbtest.Make(t, dbtest.Options{Schema: identity.Schema, Sets: identity.Migrations()})
	proxy, url := dbtest.NewProxy(t, c.database.URL)
	c.proxy = proxy
	dir := t.TempDir()
	pair, err := c.mesh.CA.IssueService("eu", "eu-central", "identity")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := rand.Text()
	sum := sha256.Sum256([]byte(secret))
	c.operator = config.Secret("operator_ops_" + secret)
	c.text = fmt.Sprintf(`
region: eu-central
regions:
  eu-central: {code: euc, jurisdiction: eu}
  eu-west: {code: euw, jurisdiction: eu}
  us-east: {code: use, jurisdiction: us}
database: {url: %q, migrate_url: %q, engine: postgres}
nats: {url: %q}
mesh:
  listen: %q
  ca_file: %q
  cert_file: %q
  key_file: %q
  public_endpoints: {us-east: {identity: "https://identity.us.example.test"}}
telemetry: {log_level: error}
operators: [{name: ops, key_sha256: %s}]
`, url, c.database.OwnerURL, bustest.Start(t).URL(), c.address,
		write("ca.pem", c.mesh.CA.CertPEM()), write("cert.pem", pair.CertPEM), write("key.pem", pair.KeyPEM), hex.EncodeToString(sum[:]))
	c.text += "keys:\n"
	for _, purpose := range []string{"person", "state", "answer"} {
		key := make([]byte, 32)
		rand.Read(key)
		c.text += fmt.Sprintf("  - {id: %s-1, purpose: %s, file: %q}\n", purpose, purpose, write(purpose, []byte(base64.StdEncoding.EncodeToString(key))))
	}
	c.path = write("config.yaml", []byte(c.text))
	return c
}

// run starts the service and returns how to stop it; stopping must bring no error.
func (c *configured) run(t *testing.T) (stop func()) {
	t.Helper()
	cfg, err := config.Load[identity.Config](c.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- identity.Run(ctx, cfg) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func (c *configured) client(t *testing.T) identityv1connect.IdentityServiceClient {
	out := c.mesh.Public(c.operator)
	t.Cleanup(out.CloseIdle)
	return identityv1connect.NewIdentityServiceClient(out.HTTPClient(), "https://"+c.address, out.Options()...)
}

func TestTheServiceRunsFromItsConfigurationAndOutlivesItsDatabase(t *testing.T) {
	t.Parallel()
	c := configure(t)
	c.proxy.Cut() // the database is down when the service starts
	stop := c.run(t)
	defer stop()
	client := c.client(t)
	create := func(slug string) error {
		_, err := client.CreateOrganization(t.Context(), &identityv1.CreateOrganizationRequest{Region: "eu-central", Slug: slug, IdempotencyKey: slug})
		return err
	}
	var err error
	eventually(t, "an answer", func() bool {
		err = create("acme")
		return connect.CodeOf(err) == connect.CodeUnavailable && !strings.Contains(err.Error(), "connection refused")
	})
	wantReason(t, "without a database", err, faultv1.Reason_REASON_DEPENDENCY_DOWN)
	c.proxy.Restore()
	eventually(t, "the database is back", func() bool { return create("acme") == nil })
	c.proxy.Cut()
	wantReason(t, "the database is down again", create("umbrella"), faultv1.Reason_REASON_DEPENDENCY_DOWN)
	c.proxy.Restore()
	eventually(t, "the database is back again", func() bool { return create("umbrella") == nil })
	if err := create("acme"); err != nil {
		t.Errorf("a repetition: %v", err)
	}
}

func TestMigrateIsRepeatable(t *testing.T) {
	t.Parallel()
	c := configure(t)
	cfg, err := config.Load[identity.Config](c.path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := identity.Migrate(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfigurationIsStrictAndPrintsNoSecret(t *testing.T) {
	t.Parallel()
	c := configure(t)
	cfg, err := config.Parse[identity.Config]([]byte(strings.Replace(c.text, "postgres://identity", "postgres://identity:hunter2", 1)))
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := config.Print(&printed, cfg); err != nil || strings.Contains(printed.String(), "hunter2") {
		t.Errorf("printed %v:\n%s", err, printed.String())
	}
	for name, change := range map[string][2]string{
		"an unknown key":                     {"telemetry:", "colour: red\ntelemetry:"},
		"no key of a purpose":                {"purpose: person", "purpose: state"},
		"an operator without a hash":         {"key_sha256: ", "key_sha256: 00"},
		"a directory region over the border": {"telemetry:", "directory_region: us-east\ntelemetry:"},
		"an unknown region":                  {"region: eu-central", "region: eu-north"},
	} {
		if _, err := config.Parse[identity.Config]([]byte(strings.Replace(c.text, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
