package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/pki"
)

// files writes what an operator gives a gateway, and returns the configuration's text.
func files(t *testing.T, db *dbtest.Database, natsURL, locks string) (dir, text string, devices *pki.Authority) {
	t.Helper()
	dir = t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mesh, err := pki.NewRoot("mesh", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := mesh.IssueService("eu", "eu-central", gateway.Service)
	if err != nil {
		t.Fatal(err)
	}
	if devices, err = pki.NewRoot("devices", time.Now().Add(24*365*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := devices.Save(dir); err != nil {
		t.Fatal(err)
	}
	key := []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32)))
	text = fmt.Sprintf(`
region: eu-central
regions:
  eu-central: {code: euc, jurisdiction: eu}
  eu-west: {code: euw, jurisdiction: eu}
database: {url: %q, migrate_url: %q}
nats: {url: %q}
mesh: {listen: "127.0.0.1:0", ca_file: %s, cert_file: %s, key_file: %s}
keys:
  - {id: state-1, purpose: state, file: %s}
  - {id: answer-1, purpose: answer, file: %s}
telemetry: {log_level: error}
state_dir: %s
copy_max_age: 12h
locks:
  listen: %s
  ca_cert_file: %s
  ca_key_file: %s
  endpoints: {eu-central: %q, eu-west: "locks.eu-west.example:7443"}
  heartbeat: 10s
`, db.URL, db.OwnerURL, natsURL, write("mesh.pem", mesh.CertPEM()), write("cert.pem", pair.CertPEM), write("key.pem", pair.KeyPEM),
		write("state.key", key), write("answer.key", key), filepath.Join(dir, "state"), locks,
		filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"), locks)
	return dir, text, devices
}

func TestRunFromAConfigurationFile(t *testing.T) {
	t.Parallel()
	db, broker := dbtest.Make(t, dbtest.Options{Schema: gateway.Schema, Sets: gateway.Migrations()}), bustest.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	locks := l.Addr().String()
	l.Close()
	dir, text, devices := files(t, db, broker.URL(), locks)
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load[gateway.Config](path)
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(ctx, cfg) }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := tls.Dial("tcp", locks, &tls.Config{ServerName: enroll.ServerName, RootCAs: devices.Pool(), NextProtos: []string{"cardea-enroll/1"}})
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := gateway.Deregister(t.Context(), cfg); err == nil {
		t.Error("a running gateway was taken out of the register")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := gateway.Deregister(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func TestBadConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	_, text, _ := files(t, &dbtest.Database{URL: "postgres://gateway@127.0.0.1/cardea"}, "nats://127.0.0.1:4222", "127.0.0.1:7443")
	if _, err := config.Parse[gateway.Config]([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"purpose state": {"purpose: state", "purpose: person"}, "state_dir": {"state_dir:", "state_dir: ''\n#"},
		"heartbeat": {"heartbeat: 10s", "heartbeat: 10ms"}, "endpoints": {"endpoints: {eu-central", "endpoints: {eu-north"},
		"eu-west": {"locks.eu-west.example:7443", "locks.eu-west.example"}, "ca_key_fil": {"ca_key_file:", "ca_key_fil:"},
	} {
		_, err := config.Parse[gateway.Config]([]byte(strings.Replace(text, change[0], change[1], 1)))
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
