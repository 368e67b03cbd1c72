package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bus/brokerconf"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// TestMain lets the test program be cardea-nats, so that the process that a deployment runs is tried.
func TestMain(m *testing.M) {
	if os.Getenv("BE_CARDEA_NATS") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// start runs the program; the process is killed when the test ends, if it still runs.
func start(t *testing.T, args ...string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	log := &strings.Builder{}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "BE_CARDEA_NATS=1")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, log
}

// broker writes the configuration of one region's broker and returns its file and the services' bus configuration.
func broker(t *testing.T) (file string, cfg bus.Config) {
	t.Helper()
	dir := t.TempDir()
	regions, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	if err != nil {
		t.Fatal(err)
	}
	home, _ := regions.Get("eu-central")
	ca, err := pki.NewRoot("test", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	issue := func(service string) brokerconf.TLS {
		pair, err := ca.IssueService("eu", "eu-central", service)
		if err != nil {
			t.Fatal(err)
		}
		return brokerconf.TLS{
			CAFile:   write("ca.pem", ca.CertPEM()),
			CertFile: write(service+".pem", pair.CertPEM), KeyFile: write(service+".key", pair.KeyPEM),
		}
	}
	listen := porttest.Address(t)
	file = write("nats.conf", []byte(brokerconf.Broker{
		Region: home, Regions: regions, Listen: listen, Store: filepath.Join(dir, "store"), TLS: issue(brokerconf.BrokerService),
	}.Config()))
	files := issue("permissions")
	return file, bus.Config{
		NATS:   bus.NATS{URL: "tls://" + listen, CAFile: files.CAFile, CertFile: files.CertFile, KeyFile: files.KeyFile},
		Region: "eu-central", Service: "permissions",
	}
}

func TestABrokerThatIsKilledHasWhatItAcknowledged(t *testing.T) {
	file, cfg := broker(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	first, _ := start(t, "-config", file)
	b, err := bus.Connect(ctx, cfg) // waits for the server by itself
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.EnsureStreams(ctx); err != nil {
		t.Fatal(err)
	}
	const events = 20
	for n := range events {
		ev := &typev1.Event{Id: fmt.Sprint("event-", n), Region: "eu-central", OrgId: "org_euc_1", Service: "permissions", Kind: "grant_created"}
		if err := b.PublishEvent(ctx, bus.Subject(ev), ev); err != nil {
			t.Fatal(err)
		}
	}
	first.Process.Kill()
	first.Wait()
	second, log := start(t, "-config", file)
	got := map[string]bool{}
	consuming, done := context.WithCancel(ctx)
	err = b.Consume(consuming, bus.Consumer{Durable: "audit"}, func(_ context.Context, ev *typev1.Event) error {
		got[ev.GetId()] = true
		if len(got) == events {
			done()
		}
		return nil
	})
	done()
	if err != nil || len(got) != events {
		t.Fatalf("%d of %d acknowledged events after the crash (%v)\n%s", len(got), events, err, log)
	}

	second.Process.Signal(syscall.SIGTERM)
	if err := second.Wait(); err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, log)
	}
	if _, err := nats.Connect(cfg.NATS.URL); err == nil {
		t.Fatal("still listening after SIGTERM")
	}
}

func TestAWrongStartSaysWhy(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.conf")
	if err := os.WriteFile(bad, []byte("jetstream { domain: "), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no arguments":        {nil, 2, "usage: cardea-nats -config FILE"},
		"no such file":        {[]string{"-config", bad + "x"}, 1, "no such file"},
		"not a configuration": {[]string{"-config", bad}, 1, "configuration"},
	} {
		cmd, log := start(t, c.args...)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(log.String(), c.says) {
			t.Errorf("%s: exit %d, said %q", name, code, log)
		}
	}
}
