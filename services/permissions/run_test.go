package permissions_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
)

// judge is identity as far as keys go: it asks the test's mesh.
type judge struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	mesh *rpctest.Mesh
}

func (j judge) AuthenticateKey(ctx context.Context, req *identityv1.AuthenticateKeyRequest) (*identityv1.AuthenticateKeyResponse, error) {
	caller, err := j.mesh.Authenticate(ctx, region.ID(req.GetKeyId()), [32]byte(req.GetSecretSha256()))
	if err != nil {
		return nil, err
	}
	return &identityv1.AuthenticateKeyResponse{
		KeyId: req.GetKeyId(), OrgId: string(caller.Org), Permissions: permissionstest.AllPermissions(),
	}, nil
}

// The process as it is deployed: configuration, certificates from files, a real broker, keys judged by identity; started
// with its database down.
func TestRunStartsWithoutItsDatabaseAndServesWhenItIsThere(t *testing.T) {
	t.Parallel()
	mesh, broker := rpctest.New(t), bustest.Start(t)
	identity := mesh.Config(t, "identity", central)
	identity.MeshCallers = map[string][]string{"mesh.authenticate": {"permissions"}}
	judged := mesh.Serve(t, identity, func(s *rpc.Server) {
		s.Handle(identityv1connect.NewIdentityServiceHandler(judge{mesh: mesh}, s.Options()...))
	})
	made := dbtest.Make(t, dbtest.Options{Schema: permissions.Schema, Sets: permissions.Migrations()})
	proxy, url := dbtest.NewProxy(t, made.URL)
	proxy.Cut()

	cfg := configOf(t, mesh, judged.URL)
	cfg.Database.URL, cfg.NATS.URL = config.URL(url), broker.URL()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- permissions.Run(ctx, cfg) }()

	org := region.NewID(region.Organization, "euc")
	out := mesh.Public(mesh.Key(org))
	client := permissionsv1connect.NewPermissionsServiceClient(out.HTTPClient(), "https://"+cfg.Mesh.Listen, out.Options()...)
	create := func() (*permissionsv1.CreateSiteResponse, error) {
		return client.CreateSite(ctx, &permissionsv1.CreateSiteRequest{
			OrgId: string(org), Region: "eu-central", Name: "Site", TimeZone: "UTC", IdempotencyKey: "once",
		})
	}
	_, err := create()
	for deadline := time.Now().Add(10 * time.Second); err != nil && !strings.Contains(err.Error(), "database"); _, err = create() {
		if time.Now().After(deadline) {
			t.Fatalf("without a database: %v", err)
		}
		select {
		case err := <-ended:
			t.Fatalf("Run ended: %v", err)
		case <-time.After(20 * time.Millisecond): // the listener is not there yet
		}
	}
	proxy.Restore()
	site, err := create()
	for deadline := time.Now().Add(10 * time.Second); err != nil; site, err = create() {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	waitState(t, broker, outbox.HeadKey(org, "permissions", central), site.GetToken().GetVersion())
	stop()
	if err := <-ended; err != nil {
		t.Fatalf("stopping: %v", err)
	}
}

// configOf is a configuration with files, as an installation has it.
func configOf(t *testing.T, mesh *rpctest.Mesh, identity string) permissions.Config {
	t.Helper()
	pair, err := mesh.CA.IssueService("eu", central, permissions.Service)
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
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	key := [32]byte{1}
	text := fmt.Sprintf(`
region: eu-central
regions:
  eu-central: {code: euc, jurisdiction: eu}
  eu-west: {code: euw, jurisdiction: eu}
  us-east: {code: use, jurisdiction: us}
database: {url: "postgres://set-by-the-test"}
nats: {url: "nats://set-by-the-test"}
mesh: {listen: %q, ca_file: %q, cert_file: %q, key_file: %q, peers: {identity: {eu-central: [%q]}}}
telemetry: {log_level: error}
keys: [{id: answer-1, file: %q, purpose: answer}]
`, listener.Addr(), file("ca.pem", mesh.CA.CertPEM()), file("cert.pem", pair.CertPEM), file("key.pem", pair.KeyPEM), identity,
		file("answer.key", []byte(base64.StdEncoding.EncodeToString(key[:]))))
	cfg, err := config.Parse[permissions.Config]([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// waitState waits until the real bucket has a key at a version.
func waitState(t *testing.T, broker *bustest.Server, key string, version int64) {
	t.Helper()
	kv, err := broker.Connect(t).Bucket(t.Context(), bus.AccessBucket(central, 0))
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		if entry, err := kv.Get(t.Context(), key); err == nil {
			var record typev1.StateRecord
			if err := proto.Unmarshal(entry.Value(), &record); err != nil {
				t.Fatal(err)
			}
			if record.GetVersion() >= version {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not in the bucket", key)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
