// Package serve is the start that all services share: a process's place, telemetry, database, broker and part in the mesh, made
// from the configuration and closed in the reverse order when the process ends.
//
// It promises: nothing is waited for (a database, a broker or a peer that is down at the start is reached when it comes), and what
// was opened is closed also when a later step of the start fails.
package serve

import (
	"context"
	"fmt"
	"net"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/run"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Service says which service it is.
type Service struct {
	// Name is its name in the mesh.
	Name string
	// Schema is its schema in the database, and the name of its role there.
	Schema string
}

// Process is one running instance of a service.
type Process struct {
	// Group has the process's parts; a service adds its own with Group.Go.
	Group     *run.Group
	Region    region.Region
	Regions   *region.Map
	Telemetry *telemetry.Telemetry
	DB        *database.DB
	Broker    *bus.Bus
	Dialer    *rpc.Dialer
	// Server is for rpc.NewServer; a service adds its Errors, MeshCallers, Ready and what else is its own.
	Server rpc.ServerConfig

	service Service
	listen  string
}

// Run opens a process, lets start add the service's own parts, and serves until ctx ends or a part fails.
func (s Service) Run(ctx context.Context, cfg config.Common, start func(*Process) error) error {
	regions, err := cfg.RegionMap()
	if err != nil {
		return err
	}
	own, err := regions.Lookup(cfg.Region)
	if err != nil {
		return err
	}
	tel, flush, err := telemetry.Setup(ctx, cfg.Telemetry, s.Name, own)
	if err != nil {
		return err
	}
	p := &Process{Group: run.New(ctx, tel.Logger), Region: own, Regions: regions, Telemetry: tel, service: s, listen: cfg.Mesh.Listen}
	p.Group.OnStop("telemetry", flush)
	err = p.open(cfg)
	if err == nil {
		err = start(p)
	}
	if err != nil {
		p.Group.Go("start", func(context.Context) error { return err }) // ends the group, which closes what was opened
	}
	return p.Group.Wait()
}

// open makes what every service has.
func (p *Process) open(cfg config.Common) (err error) {
	ctx, tel := p.Group.Context(), p.Telemetry
	if p.DB, err = database.Open(ctx, database.Config{
		URL: cfg.Database.URL.Reveal(), Engine: database.Engine(cfg.Database.Engine), Schema: p.service.Schema,
		MaxConns: cfg.Database.MaxConns, Tracer: tel.Tracer,
	}); err != nil {
		return err
	}
	p.Group.OnStop("database", closing(p.DB.Close))
	if p.Broker, err = bus.Connect(ctx, bus.Config{
		NATS: cfg.NATS, Region: p.Region.Name, Service: p.service.Name, Logger: tel.Logger, Tracer: tel.Tracer,
	}); err != nil {
		return err
	}
	p.Group.OnStop("broker", closing(p.Broker.Close))
	p.Dialer, p.Server, err = rpc.Join(cfg, p.Regions, p.service.Name, tel)
	return err
}

// Serve answers calls on the configured address, and logs it.
func (p *Process) Serve(server *rpc.Server) error {
	listener, err := net.Listen("tcp", p.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.Group.Go("rpc", func(ctx context.Context) error { return server.Serve(ctx, listener) })
	p.Telemetry.Logger.Info(p.service.Name+" serves", "address", listener.Addr().String())
	return nil
}

func closing(what func()) func(context.Context) error {
	return func(context.Context) error {
		what()
		return nil
	}
}
