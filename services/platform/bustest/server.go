// Package bustest runs real NATS servers inside a test: one region's broker (Start), or the brokers of several
// jurisdictions as they are deployed (StartRegions).
//
// Servers listen on 127.0.0.1 only, sync every write to disk as in production, keep their files in the test's temporary
// folder, and end with the test. A Server may be stopped and started again on the same address and files. Its methods are
// safe for concurrent use, except Stop, Kill and Restart among each other.
package bustest

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// readyLimit bounds a server's start on a busy machine.
const readyLimit = 20 * time.Second

// Server is the broker of one region: a JetStream domain of its name, without authorization or TLS.
type Server struct {
	Region region.Name
	opts   *server.Options
	s      *server.Server
}

// Option changes what Start makes.
type Option func(*Server)

// Region names the region; without it the region is eu-central.
func Region(r region.Name) Option { return func(s *Server) { s.Region = r } }

// Start runs a broker until the test ends.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{Region: "eu-central"}
	for _, o := range options {
		o(s)
	}
	s.opts = &server.Options{
		ServerName:      "broker-" + string(s.Region),
		Host:            "127.0.0.1",
		Port:            int(netip.MustParseAddrPort(porttest.Address(t)).Port()), // its own, so that a restart is found where the clients look
		JetStream:       true,
		JetStreamDomain: string(s.Region),
		StoreDir:        t.TempDir(),
		SyncAlways:      true,
		NoLog:           true,
		NoSigs:          true,
	}
	s.run(t)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) run(t testing.TB) {
	t.Helper()
	started, err := server.NewServer(s.opts.Clone())
	if err != nil {
		t.Fatalf("start NATS: %v", err)
	}
	started.Start()
	s.s = started
	if !started.ReadyForConnections(readyLimit) {
		t.Fatalf("NATS was not ready within %s", readyLimit)
	}
}

// URL is where clients connect; it stays the same over restarts.
func (s *Server) URL() string { return s.s.ClientURL() }

// Stop ends the server; its files stay.
func (s *Server) Stop() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// Restart starts a stopped or running server again on the same address and files.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	s.run(t)
}

// Lose deletes a bucket with all that is in it, as if the broker had lost its disk. Nobody makes it anew here.
func (s *Server) Lose(t testing.TB, bucket string) {
	t.Helper()
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
}

// Config is what a Bus needs to connect here.
func (s *Server) Config() bus.Config {
	return bus.Config{
		NATS:    bus.NATS{URL: s.URL()},
		Region:  s.Region,
		Service: "test",
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// Connect opens a bus of the region, with its stream and buckets made, until the test ends.
func (s *Server) Connect(t testing.TB) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	b, err := bus.Connect(ctx, s.Config())
	if err != nil {
		t.Fatalf("connect to the test's NATS: %v", err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStreams(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureBuckets(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}
