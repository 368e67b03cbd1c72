// Package audit is the record of what happened: it takes every event of its region's stream into a tamper-evident ledger, one
// for each organization, and answers who opened, who was refused, who changed what and who read what.
//
// An instance consumes the stream of its own region, and serves the ledgers of every region of its jurisdiction. Any number of
// instances may run; each event is in its ledger once.
package audit

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	"github.com/cardea-mesh/cardea/services/audit/internal/events"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	auditrpc "github.com/cardea-mesh/cardea/services/audit/internal/rpc"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/serve"
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
	return serve.Service{Name: Service, Schema: Schema}.Run(ctx, cfg.Common, start)
}

// start adds the calls and the ledger to the process.
func start(p *serve.Process) error {
	store := postgres.New(p.DB)
	p.Server.Errors, p.Server.Ready = auditrpc.Errors, p.DB.Ping
	server, err := rpc.NewServer(p.Server)
	if err != nil {
		return err
	}
	server.Handle(auditv1connect.NewAuditServiceHandler(auditrpc.NewHandler(store, p.Regions), server.Options()...))
	if err := p.Serve(server); err != nil {
		return err
	}
	logger := p.Telemetry.Logger
	consumer := &events.Consumer{
		Bus: p.Broker, Store: store, Regions: p.Regions, Region: p.Region.Name, Logger: logger, Tracer: p.Telemetry.Tracer, Now: time.Now,
	}
	p.Group.Go("ledger", func(ctx context.Context) error {
		if err := errors.Join(p.DB.Wait(ctx, logger), p.Broker.EnsureStreams(ctx)); err != nil {
			return err
		}
		return consumer.Run(ctx)
	})
	return nil
}
