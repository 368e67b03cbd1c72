// Package permissions is the service that knows who may open what, when, and the whole past of it: sites, doors, zones,
// groups, schedules, holiday calendars, grants and shares of them, lockdowns; and who administers what.
//
// It decides with package policy, from copies of organizations in memory that follow its own rows: an answer is never older
// than the token of the question, and without one never older than the database was a moment ago. What gateways need in order
// to decide at the doors it publishes as access state, in the transaction that changes it. Groups and people of other
// jurisdictions it knows by their ids; copies of such groups' memberships come from their homes.
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
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/enforcement"
	"github.com/cardea-mesh/cardea/services/permissions/internal/events"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
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
	parts.Projection = cfg.Projection
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
	group.Go("projection", service.Project)
	group.Go("commits of others", func(ctx context.Context) error {
		return broker.Overhear(ctx, bus.ServiceEvents(parts.Region.Name, Service), service.Heard)
	})
	group.Go("relay", func(ctx context.Context) error {
		if err := errors.Join(parts.DB.Wait(ctx, tel.Logger), broker.EnsureStreams(ctx), broker.EnsureBuckets(ctx)); err != nil {
			return err
		}
		return service.Relay.Run(ctx)
	})
	tel.Logger.Info("permissions serves", "address", listener.Addr().String())
	return nil
}

// Parts are what an Instance is made of; all are required but Projection and Now.
type Parts struct {
	Region    region.Region
	Regions   *region.Map
	Telemetry *telemetry.Telemetry
	DB        *database.DB
	Answers   *keyring.Ring    // seals remembered answers
	Publisher outbox.Publisher // of events and access state
	Dialer    *rpc.Dialer
	// Projection says how organizations are kept in memory; default: every default.
	Projection Projection
	Now        func() time.Time // default: time.Now
}

// Instance is the assembled service: a handler to mount, and a relay and a projection to run.
type Instance struct {
	Relay      *outbox.Relay
	parts      Parts
	keeper     *idempotency.Keeper
	projection *projection.Cache
	bell       *watch.Bell
	handler    *permissionsrpc.Handler
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
	i := &Instance{Relay: relay, parts: p, keeper: keeper}
	store := postgres.New(postgres.Config{
		DB: p.DB, Outbox: ob, Keeper: keeper, Regions: p.Regions, Record: events.Record,
		Committed: i.committed,
	})
	i.projection, err = projection.New(projection.Config{
		Source: postgres.Projection{Store: store, Home: p.Region.Name}, Service: Service, Region: p.Region.Name, Regions: p.Regions,
		Logger: p.Telemetry.Logger, Meter: p.Telemetry.Meter,
		MaxBytes: p.Projection.MaxBytes, Poll: p.Projection.Poll, MaxUnconfirmed: p.Projection.MaxUnconfirmed,
	})
	if err != nil {
		return nil, err
	}
	i.bell = watch.NewBell(store.Versions)
	mesh := enforcement.Client{Dialer: p.Dialer}
	i.handler = &permissionsrpc.Handler{
		Store:      store,
		Commands:   grants.Commands{Regions: p.Regions},
		Waiter:     &enforcement.Waiter{Gateways: mesh, Own: store, Others: mesh, Logger: p.Telemetry.Logger},
		Standing:   store,
		Projection: i.projection,
		Bell:       i.bell,
		Now:        p.Now,
	}
	return i, nil
}

// Project keeps the organizations in memory current, until ctx ends.
func (i *Instance) Project(ctx context.Context) error { return i.projection.Run(ctx) }

// Heard takes an event of a commit of permissions, by whatever instance: a hint that there is something to read.
func (i *Instance) Heard(ev *typev1.Event) {
	i.committed(region.ID(ev.GetOrgId()), region.Name(ev.GetRegion()), ev.GetOrgVersion())
}

// committed tells those who wait for a commit, or keep a copy, that there is one.
func (i *Instance) committed(org region.ID, home region.Name, version int64) {
	i.projection.Committed(org, home, version)
	i.bell.Ring(grants.Token{Service: Service, Region: home, Org: org, Version: version})
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
