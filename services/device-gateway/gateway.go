// Package gateway is the service that holds the locks' connections: it decides at the door from its own copy of the access
// state, takes the locks' events into a journal until the region's broker has them, carries commands to locks, and keeps
// devices and their claim codes.
//
// What a lock and a gateway say to each other is in PROTOCOL.md. Decisions need nothing but this process; the database is
// only for registration, enrolment and the calls of GatewayService.
//
// [Run] is one instance with a state folder of its own.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/registration"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/serve"
)

// Run serves until ctx ends or a part fails. A database, broker or peer that is down at the start is waited for; locks are
// served meanwhile, if this gateway was registered before and has a copy.
func Run(ctx context.Context, cfg Config) error {
	locks, err := net.Listen("tcp", cfg.Locks.Listen)
	if err != nil {
		return fmt.Errorf("listen for locks: %w", err)
	}
	return RunOn(ctx, cfg, locks)
}

// RunOn is Run for locks that come from a listener, which it closes, and not to locks.listen. The addresses of its connections must
// be those of locks: limits are by address.
func RunOn(ctx context.Context, cfg Config, locks net.Listener) error {
	defer locks.Close()
	return serve.Service{Name: Service, Schema: Schema}.Run(ctx, cfg.Common, func(p *serve.Process) error { return start(p, cfg, locks) })
}

// start adds the gateway's parts to the process.
func start(p *serve.Process, cfg Config, locks net.Listener) error {
	parts := Parts{Region: p.Region, Regions: p.Regions, Telemetry: p.Telemetry, DB: p.DB, Broker: p.Broker, Dialer: p.Dialer}
	if err := parts.configured(cfg); err != nil {
		return err
	}
	gateway, err := New(parts)
	if err != nil {
		return err
	}
	p.Group.OnStop("state folder", func(context.Context) error {
		gateway.Close()
		return nil
	})
	server, err := rpc.NewServer(gateway.Server(p.Server))
	if err != nil {
		return err
	}
	gateway.Mount(server)
	if err := p.Serve(server); err != nil {
		return err
	}
	logger := p.Telemetry.Logger
	p.Group.Go("locks", func(ctx context.Context) error { return gateway.ServeLocks(ctx, locks) })
	p.Group.Go("broker", func(ctx context.Context) error { return prepare(ctx, p.Broker, logger) })
	p.Group.Go("relay", gateway.Relay.Run)
	p.Group.Go("answers", gateway.ForgetAnswers)
	logger.Info("device-gateway serves locks", "address", locks.Addr().String(), "gateway", string(gateway.ID))
	return nil
}

// prepare makes the region's stream and buckets. A broker that refuses is tried again: doors do not end for that.
func prepare(ctx context.Context, b *bus.Bus, logger *slog.Logger) error {
	for {
		err := errors.Join(b.EnsureStreams(ctx), b.EnsureBuckets(ctx))
		if err == nil || ctx.Err() != nil {
			return nil
		}
		logger.Error("the broker's stream and buckets cannot be made, trying again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Second):
		}
	}
}

// configured fills in what comes from files and settings alone.
func (p *Parts) configured(cfg Config) (err error) {
	if p.State, err = cfg.ring(config.PurposeState); err != nil {
		return err
	}
	if p.Answers, err = cfg.ring(config.PurposeAnswer); err != nil {
		return err
	}
	if p.DeviceRoot, err = pki.LoadFiles(cfg.Locks.CACertFile, cfg.Locks.CAKeyFile); err != nil {
		return fmt.Errorf("device root: %w", err)
	}
	for _, file := range cfg.Locks.AdditionalRootFiles {
		root, err := pki.LoadCertificate(file)
		if err != nil {
			return fmt.Errorf("additional device root: %w", err)
		}
		p.MoreRoots = append(p.MoreRoots, root)
	}
	p.Endpoints, p.RenewIssuedBefore = cfg.Locks.Endpoints, cfg.Locks.RenewIssuedBefore
	p.StateDir, p.CopyMaxAge, p.Heartbeat, p.CertificateTTL = cfg.StateDir, cfg.copyMaxAge(), cfg.Locks.Heartbeat, cfg.Locks.CertificateTTL
	p.Limits = cfg.Locks.LockLimits
	return nil
}

// Deregister takes the gateway of a state folder out of the register for good: WaitApplied does not count it any more.
// Only for one that is stopped and does not come back; it registers again when it does.
func Deregister(ctx context.Context, cfg Config) error {
	regions, err := cfg.RegionMap()
	if err != nil {
		return err
	}
	own, err := regions.Lookup(cfg.Region)
	if err != nil {
		return err
	}
	unlock, err := lockFolder(cfg.StateDir) // it fails while the gateway runs
	if err != nil {
		return err
	}
	defer unlock()
	id, err := registration.Identity(cfg.StateDir, own, regions)
	if err != nil {
		return err
	}
	db, err := database.Open(ctx, database.Config{URL: cfg.Database.URL.Reveal(), Engine: database.Engine(cfg.Database.Engine), Schema: Schema})
	if err != nil {
		return err
	}
	defer db.Close()
	// The note goes first: a gateway that is not in the table must not believe that it is.
	if err := registration.Forget(cfg.StateDir); err != nil {
		return err
	}
	return postgres.New(postgres.Config{DB: db, Own: own, Regions: regions}).Deregister(ctx, id)
}
