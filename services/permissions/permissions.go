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
	"github.com/cardea-mesh/cardea/services/platform/serve"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Run serves until ctx ends or a part fails. A database, broker or peer that is down at the start is waited for.
func Run(ctx context.Context, cfg Config) error {
	return serve.Service{Name: Service, Schema: Schema}.Run(ctx, cfg.Common, func(p *serve.Process) error { return start(p, cfg) })
}

// start adds the service's parts to the process.
func start(p *serve.Process, cfg Config) error {
	answers, err := cfg.Ring(config.PurposeAnswer)
	if err != nil {
		return err
	}
	service, err := New(Parts{
		Region: p.Region, Regions: p.Regions, Telemetry: p.Telemetry, DB: p.DB, Answers: answers, Publisher: p.Broker, Dialer: p.Dialer,
		Projection: cfg.Projection,
	})
	if err != nil {
		return err
	}
	server, err := rpc.NewServer(service.Server(p.Server))
	if err != nil {
		return err
	}
	service.Mount(server)
	if err := p.Serve(server); err != nil {
		return err
	}
	p.Group.Go("old answers", service.ForgetAnswers)
	p.Group.Go("projection", service.Project)
	p.Group.Go("commits of others", func(ctx context.Context) error {
		return p.Broker.Overhear(ctx, bus.ServiceEvents(p.Region.Name, Service), service.Heard)
	})
	p.Group.Go("relay", func(ctx context.Context) error {
		if err := errors.Join(p.DB.Wait(ctx, p.Telemetry.Logger), p.Broker.EnsureStreams(ctx), p.Broker.EnsureBuckets(ctx)); err != nil {
			return err
		}
		return service.Relay.Run(ctx)
	})
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
