// Package permissions is the service that knows who may open what, when, and the whole past of it: sites, doors, zones,
// groups, schedules and grants.
//
// It decides with package policy from its own rows, so that an answer is never older than the last write. What gateways
// need in order to decide at the doors it publishes as access state, in the transaction that changes it. Groups and people
// of other jurisdictions it knows by their ids; copies of such groups' memberships come from their homes.
//
// [Run] is one instance. Any number may run in a region, and each serves every region of its jurisdiction.
package permissions

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/permissions/internal/enforcement"
	"github.com/cardea-mesh/cardea/services/permissions/internal/events"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	permissionsrpc "github.com/cardea-mesh/cardea/services/permissions/internal/rpc"
	"github.com/cardea-mesh/cardea/services/permissions/internal/watch"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/run"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Run serves until ctx ends or a part fails. A database, broker or peer that is down at the start is waited for.
func Run(ctx context.Context, cfg Config) error {
	regions, err := cfg.RegionMap()
	if err != nil {
		return err
	}
	own, err := regions.Lookup(cfg.Region)
	if err != nil {
		return err
	}
	tel, flush, err := telemetry.Setup(ctx, cfg.Telemetry, Service, own)
	if err != nil {
		return err
	}
	group := run.New(ctx, tel.Logger)
	group.OnStop("telemetry", flush)
	if err := start(group, cfg, Parts{Region: own, Regions: regions, Telemetry: tel}); err != nil {
		return errors.Join(err, flush(context.WithoutCancel(ctx)))
	}
	return group.Wait()
}

// start makes the parts and hands them to the group.
func start(group *run.Group, cfg Config, parts Parts) (err error) {
	ctx, tel := group.Context(), parts.Telemetry
	if parts.Answers, err = cfg.Ring(config.PurposeAnswer); err != nil {
		return err
	}
	parts.DB, err = database.Open(ctx, database.Config{
		URL: cfg.Database.URL.Reveal(), Engine: database.Engine(cfg.Database.Engine), Schema: Schema,
		MaxConns: cfg.Database.MaxConns, Tracer: tel.Tracer,
	})
	if err != nil {
		return err
	}
	group.OnStop("database", closing(parts.DB.Close))
	broker, err := bus.Connect(ctx, bus.Config{NATS: cfg.NATS, Region: parts.Region.Name, Service: Service, Logger: tel.Logger, Tracer: tel.Tracer})
	if err != nil {
		return err
	}
	group.OnStop("broker", closing(broker.Close))
	parts.Publisher = broker
	if parts.Dialer, err = rpc.DialerFrom(cfg.Mesh, parts.Regions, tel); err != nil {
		return err
	}
	service, err := New(parts)
	if err != nil {
		return err
	}
	identity, err := rpc.LoadIdentity(cfg.Mesh)
	if err != nil {
		return err
	}
	server, err := rpc.NewServer(service.Server(rpc.ServerConfig{
		TLS: identity.Server(), Auth: rpc.NewKeyAuthenticator(parts.Dialer), PublicEndpoints: cfg.Mesh.PublicEndpoints,
	}))
	if err != nil {
		return err
	}
	service.Mount(server)
	listener, err := net.Listen("tcp", cfg.Mesh.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	group.Go("rpc", func(ctx context.Context) error { return server.Serve(ctx, listener) })
	group.Go("old answers", service.ForgetAnswers)
	group.Go("relay", func(ctx context.Context) error {
		if err := errors.Join(parts.DB.Wait(ctx, tel.Logger), broker.EnsureStreams(ctx), broker.EnsureBuckets(ctx)); err != nil {
			return err
		}
		return service.Relay.Run(ctx)
	})
	tel.Logger.Info("permissions serves", "address", listener.Addr().String())
	return nil
}

// Parts are what an Instance is made of; all are required but Now.
type Parts struct {
	Region    region.Region
	Regions   *region.Map
	Telemetry *telemetry.Telemetry
	DB        *database.DB
	Answers   *keyring.Ring    // seals remembered answers
	Publisher outbox.Publisher // of events and access state
	Dialer    *rpc.Dialer
	Now       func() time.Time // default: time.Now
}

// Instance is the assembled service: a handler to mount and a relay to run.
type Instance struct {
	Relay   *outbox.Relay
	parts   Parts
	keeper  *idempotency.Keeper
	handler *permissionsrpc.Handler
}

// New puts the parts together.
func New(p Parts) (*Instance, error) {
	if p.Now == nil {
		p.Now = time.Now
	}
	ob := outbox.New(outbox.Config{Service: Service, Region: p.Region.Name, Regions: p.Regions, AccessState: true})
	relay, err := outbox.NewRelay(outbox.RelayConfig{
		DB: p.DB, Outbox: ob, Publisher: p.Publisher, Caller: p.Dialer, Logger: p.Telemetry.Logger, Meter: p.Telemetry.Meter,
	})
	if err != nil {
		return nil, err
	}
	keeper := idempotency.New(p.Answers, p.Now)
	store := postgres.New(postgres.Config{
		DB: p.DB, Outbox: ob, Keeper: keeper, Regions: p.Regions, Record: events.Record,
	})
	bell := watch.NewBell(store.Versions)
	mesh := enforcement.Client{Dialer: p.Dialer}
	handler := &permissionsrpc.Handler{
		Store:    permissionsrpc.Ringing(store, bell),
		Bell:     bell,
		Commands: grants.Commands{Regions: p.Regions},
		Waiter:   &enforcement.Waiter{Gateways: mesh, Own: store, Others: mesh, Logger: p.Telemetry.Logger},
		Standing: store,
		Now:      p.Now,
	}
	return &Instance{Relay: relay, parts: p, keeper: keeper, handler: handler}, nil
}

// ForgetAnswers deletes remembered answers whose time is over, until ctx ends.
func (i *Instance) ForgetAnswers(ctx context.Context) error {
	return i.keeper.Run(ctx, i.parts.DB, i.parts.Regions.In(i.parts.Region.Jurisdiction), i.parts.Telemetry.Logger)
}

// Server completes the configuration of a server with what is the same for every instance.
func (i *Instance) Server(cfg rpc.ServerConfig) rpc.ServerConfig {
	cfg.Service, cfg.Region, cfg.Regions = Service, i.parts.Region, i.parts.Regions
	cfg.Telemetry, cfg.Dialer, cfg.Ready = i.parts.Telemetry, i.parts.Dialer, i.parts.DB.Ping
	cfg.Errors = permissionsrpc.Errors()
	cfg.MeshCallers = map[string][]string{"mesh.follow": {Service}, "mesh.receive": {Service}, "mesh.standing": {Service}}
	return cfg
}

// Mount puts the service's handler on a server.
func (i *Instance) Mount(server *rpc.Server) {
	server.Handle(permissionsv1connect.NewPermissionsServiceHandler(i.handler, server.Options()...))
}

func closing(what func()) func(context.Context) error {
	return func(context.Context) error {
		what()
		return nil
	}
}
