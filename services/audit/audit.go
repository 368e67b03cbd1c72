// Package audit is the record of what happened: it takes every event of its region's stream into a tamper-evident ledger, one
// for each organization, and answers who opened, who was refused, who changed what and who read what.
//
// An instance consumes the stream of its own region, and serves the ledgers of every region of its jurisdiction. Any number of
// instances may run; each event is in its ledger once.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	"github.com/cardea-mesh/cardea/services/audit/internal/events"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	auditrpc "github.com/cardea-mesh/cardea/services/audit/internal/rpc"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/run"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Service is this service's name in the mesh.
const Service = "audit"

// Schema is where its tables are, and the name of its role there.
const Schema = postgres.Schema

// Migrations are its tables.
func Migrations() []fs.FS { return []fs.FS{postgres.Migrations()} }

// Config is what the service is told. It needs no keys: it keeps what others sealed as they sealed it.
type Config struct {
	config.Common `yaml:",inline"`
}

// Migrate brings the service's tables up to date, as their owner.
func Migrate(ctx context.Context, cfg Config) error {
	return database.Migrate(ctx, cfg.Database.MigrateURL.Reveal(), database.Engine(cfg.Database.Engine), Schema, Migrations()...)
}

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
	if err := start(group, cfg, regions, own, tel); err != nil {
		return errors.Join(err, flush(context.WithoutCancel(ctx)))
	}
	return group.Wait()
}

// start makes the parts and hands them to the group.
func start(group *run.Group, cfg Config, regions *region.Map, own region.Region, tel *telemetry.Telemetry) error {
	ctx := group.Context()
	db, err := database.Open(ctx, database.Config{
		URL: cfg.Database.URL.Reveal(), Engine: database.Engine(cfg.Database.Engine), Schema: Schema,
		MaxConns: cfg.Database.MaxConns, Tracer: tel.Tracer,
	})
	if err != nil {
		return err
	}
	group.OnStop("database", closing(db.Close))
	broker, err := bus.Connect(ctx, bus.Config{NATS: bus.NATS(cfg.NATS), Region: own.Name, Service: Service, Logger: tel.Logger, Tracer: tel.Tracer})
	if err != nil {
		return err
	}
	group.OnStop("broker", closing(broker.Close))
	store := postgres.New(db)

	server, err := newServer(cfg, regions, own, tel, db, store)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Mesh.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	group.Go("rpc", func(ctx context.Context) error { return server.Serve(ctx, listener) })

	consumer := &events.Consumer{
		Bus: broker, Store: store, Regions: regions, Region: own.Name, Logger: tel.Logger, Tracer: tel.Tracer, Now: time.Now,
	}
	group.Go("ledger", func(ctx context.Context) error {
		if err := errors.Join(db.Wait(ctx, tel.Logger), broker.EnsureStreams(ctx)); err != nil {
			return err
		}
		return consumer.Run(ctx)
	})
	tel.Logger.Info("audit serves", "address", listener.Addr().String())
	return nil
}

func newServer(cfg Config, regions *region.Map, own region.Region, tel *telemetry.Telemetry, db *database.DB, store *postgres.Store) (*rpc.Server, error) {
	identity, err := rpc.LoadIdentity(cfg.Mesh)
	if err != nil {
		return nil, err
	}
	dialer, err := rpc.DialerFrom(cfg.Mesh, regions, tel)
	if err != nil {
		return nil, err
	}
	server, err := rpc.NewServer(rpc.ServerConfig{
		Service: Service, Region: own, Regions: regions, TLS: identity.Server(), Telemetry: tel,
		Auth: rpc.NewKeyAuthenticator(dialer), Dialer: dialer, Errors: auditrpc.Errors,
		PublicEndpoints: cfg.Mesh.PublicEndpoints, Ready: db.Ping,
	})
	if err != nil {
		return nil, err
	}
	server.Handle(auditv1connect.NewAuditServiceHandler(auditrpc.NewHandler(store, regions), server.Options()...))
	return server, nil
}

func closing(what func()) func(context.Context) error {
	return func(context.Context) error {
		what()
		return nil
	}
}
