package drill_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

// heartbeat is short, so that locks and gateways soon notice a silent line.
const heartbeat = 2 * time.Second

func (w *world) startGateway(i int) {
	s := w.sites[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	w.exchange.set(&s.frozen, whole)
	if s.gateway == nil {
		s.gateway = w.runGateway(s)
	}
}

// freezeGateway: no lock hears of it any more, and it hears of none.
func (w *world) freezeGateway(i int) { w.exchange.set(&w.sites[i].frozen, silent) }

// killGateway leaves what a killed process leaves: what was on its disk at that moment, and locks without a word.
func (w *world) killGateway(i int) {
	s := w.sites[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gateway == nil {
		return
	}
	w.exchange.set(&s.frozen, cut)
	s.gateway.kill()
	s.gateway = nil
}

func (w *world) runGateway(s *site) *process {
	w.t.Helper()
	answers, err := keyring.New([]keyring.Key{{ID: "answer-1", Secret: [32]byte{2}}})
	must(w.t, err)
	broker, err := bus.Connect(context.Background(), s.brokers[gateway.Service])
	must(w.t, err)
	db, err := database.Open(context.Background(), database.Config{URL: w.gatewayDB.URL, Schema: gateway.Schema, MaxConns: 5})
	must(w.t, err)
	cfg := w.mesh.Config(w.t, gateway.Service, s.name)
	nowhere := map[region.Name]string{s.name: "127.0.0.1:1"} // locks have lines of their own
	instance, err := gateway.New(gateway.Parts{
		Region: w.mesh.Region(w.t, s.name), Regions: w.mesh.Regions, Telemetry: w.mesh.Telemetry, DB: db, Broker: broker, Dialer: cfg.Dialer,
		State: w.state, Answers: answers, DeviceRoot: w.root, StateDir: s.stateDir, Endpoints: nowhere,
		Heartbeat: heartbeat, Now: w.Now,
	})
	must(w.t, err)
	server, err := rpc.NewServer(instance.Server(cfg))
	must(w.t, err)
	instance.Mount(server)
	l := listen(w.t, s.locks)
	end := w.run("gateway of "+string(s.name), s.calls, server, instance.Relay.Run,
		func(ctx context.Context) error { return instance.ServeLocks(ctx, l) })
	stop := sync.OnceFunc(func() {
		end()
		instance.Close()
		broker.Close()
		db.Close()
	})
	return &process{stop: stop, kill: func() {
		// Nothing may leave the process after its disk is taken, or the next start would be blamed for what this one said.
		db.Close()
		broker.Close()
		left := w.t.TempDir()
		must(w.t, os.CopyFS(left, os.DirFS(s.stateDir)))
		stop()
		os.RemoveAll(filepath.Join(s.stateDir))
		s.stateDir = left
	}}
}
