// Package identity is the service that keeps organizations, people, what they carry, and the callers' API keys.
//
// What identifies a person is sealed with a key of their own before it reaches a statement, and leaves only as the answer to
// the home's GetPerson; events carry it sealed, everything else carries opaque ids and keyed digests. Rows are in the region
// that an id names; any identity service of a jurisdiction may serve any region of it.
//
// Run is the whole service. It starts with the database, the broker or its peers down, and goes on when they come.
package identity

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/events"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	handlers "github.com/cardea-mesh/cardea/services/identity/internal/rpc"
	"github.com/cardea-mesh/cardea/services/identity/internal/vault"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/run"
	"github.com/cardea-mesh/cardea/services/platform/serve"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Service is identity's name in the mesh.
const Service = registrar.Service

// Parts are what the service works with; all fields are required but those that say otherwise.
type Parts struct {
	Region    region.Region
	Regions   *region.Map
	DB        *database.DB
	Bus       *bus.Bus
	Dialer    *rpc.Dialer
	TLS       *tls.Config // of the server
	Telemetry *telemetry.Telemetry
	Keys      Rings
	// Directory is the region of the jurisdiction's directories; see Config.DirectoryRegion.
	Directory region.Name
	Operators []rpc.Operator // may be empty
	// PublicEndpoints are what a caller at the wrong border is told; may be empty.
	PublicEndpoints map[region.Name]map[string]string
}

// Rings are the jurisdiction's keys: of people's keys, of digest keys in the access state, of remembered answers.
type Rings struct{ Person, State, Answer *keyring.Ring }

// callers are the services that may call methods of a mesh permission.
func callers() map[string][]string {
	return map[string][]string{
		"mesh.authenticate": {Service, "permissions", "device-gateway", "audit"},
		"mesh.follow":       {Service},
		"mesh.receive":      {Service},
		"mesh.standing":     {"permissions"},
	}
}

// Run serves on the listener, relays the outbox and takes permissions' events, until ctx ends or a part fails. It closes the
// listener; the parts stay their owner's.
func (p Parts) Run(ctx context.Context, listener net.Listener) error {
	group := run.New(ctx, p.logger())
	server, err := p.start(group)
	if err != nil {
		return err
	}
	group.Go("rpc", func(ctx context.Context) error { return server.Serve(ctx, listener) })
	return group.Wait()
}

// start adds what runs beside the server to the group, and returns the server.
func (p Parts) start(group *run.Group) (*rpc.Server, error) {
	ob := outbox.New(outbox.Config{Service: Service, Region: p.Region.Name, Regions: p.Regions, AccessState: true})
	reg := registrar.New(registrar.Config{
		Regions: p.Regions, Vault: vault.New(p.Keys.Person, p.Keys.State), Outbox: ob, Directory: p.Directory, Now: time.Now,
	})
	keeper := idempotency.New(p.Keys.Answer, time.Now)
	server, err := p.server(reg, keeper)
	if err != nil {
		return nil, err
	}
	relay, err := outbox.NewRelay(outbox.RelayConfig{
		DB: p.DB, Outbox: ob, Publisher: p.Bus, Caller: events.NewKeySender(p.DB, p.Regions, reg, p.Dialer),
		Logger: p.logger(), Meter: p.Telemetry.Meter,
	})
	if err != nil {
		return nil, err
	}
	consumer := events.NewConsumer(events.Config{DB: p.DB, Outbox: ob, Registrar: reg, Regions: p.Regions, Logger: p.logger()})
	group.Go("relay", relay.Run)
	group.Go("broker's storage", p.ensureStorage)
	group.Go("consumer", func(ctx context.Context) error {
		return p.Bus.Consume(ctx, events.Wanted(p.Region.Name), consumer.Handle)
	})
	group.Go("old answers", func(ctx context.Context) error {
		return keeper.Run(ctx, p.DB, p.Regions.In(p.Region.Jurisdiction), p.logger())
	})
	return server, nil
}

func (p Parts) server(reg *registrar.Registrar, keeper *idempotency.Keeper) (*rpc.Server, error) {
	server, err := rpc.NewServer(rpc.ServerConfig{
		Service: Service, Region: p.Region, Regions: p.Regions, TLS: p.TLS, Telemetry: p.Telemetry,
		Auth: rpc.HomeAuthenticator{
			Regions: p.Regions, Own: p.Region.Name,
			Local: handlers.NewAuthenticator(p.DB, reg), Remote: rpc.NewKeyAuthenticator(p.Dialer),
		},
		MeshCallers: callers(), Operators: p.Operators, Errors: handlers.Errors(), Dialer: p.Dialer,
		PublicEndpoints: p.PublicEndpoints, Ready: p.DB.Ping,
	})
	if err != nil {
		return nil, err
	}
	handler := handlers.New(p.DB, p.Regions, reg, keeper)
	server.Handle(identityv1connect.NewIdentityServiceHandler(handler, server.Options()...))
	return server, nil
}

// ensureStorage makes the region's stream and buckets where they are missing. A broker that does not let this service make
// them has them made by somebody else: that is no reason to stop.
func (p Parts) ensureStorage(ctx context.Context) error {
	if err := p.Bus.EnsureStreams(ctx); err != nil {
		p.warn(ctx, err)
		return nil
	}
	if err := p.Bus.EnsureBuckets(ctx); err != nil {
		p.warn(ctx, err)
	}
	return nil
}

func (p Parts) warn(ctx context.Context, err error) {
	if ctx.Err() == nil {
		p.logger().WarnContext(ctx, "the broker's storage was not made", "error", err)
	}
}

func (p Parts) logger() *slog.Logger { return p.Telemetry.Logger }

// Run is the service as configured: it opens what the configuration names, serves until ctx ends, and closes.
func Run(ctx context.Context, cfg Config) error {
	keys, err := cfg.rings()
	if err != nil {
		return err
	}
	return serve.Service{Name: Service, Schema: Schema}.Run(ctx, cfg.Common, func(p *serve.Process) error {
		parts := Parts{
			Region: p.Region, Regions: p.Regions, DB: p.DB, Bus: p.Broker, Dialer: p.Dialer, TLS: p.Server.TLS, Telemetry: p.Telemetry,
			Keys: keys, Directory: cfg.directory(p.Regions, p.Region), Operators: cfg.Operators, PublicEndpoints: p.Server.PublicEndpoints,
		}
		server, err := parts.start(p.Group)
		if err != nil {
			return err
		}
		return p.Serve(server)
	})
}
