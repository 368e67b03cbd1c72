package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/doorstate"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/exposure"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockendpoint"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockport"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/registration"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/renewal"
	gatewayrpc "github.com/cardea-mesh/cardea/services/device-gateway/internal/rpc"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"golang.org/x/sync/errgroup"
)

// Parts are what an Instance is made of; all are required but those with a default.
type Parts struct {
	Region     region.Region
	Regions    *region.Map
	Telemetry  *telemetry.Telemetry
	DB         *database.DB
	Broker     *bus.Bus
	Dialer     *rpc.Dialer
	State      *keyring.Ring // opens digest keys, seals receipts
	Answers    *keyring.Ring // seals remembered answers
	DeviceRoot *pki.Authority
	StateDir   string
	Endpoints  map[region.Name]string // where locks dial, `host:port`

	CopyMaxAge     time.Duration    // default 24 h
	StateBound     time.Duration    // default 500 ms: how long a decision waits for shared door state
	Heartbeat      time.Duration    // default 30 s
	CertificateTTL time.Duration    // default 5 years
	Limits         LockLimits       // defaults as in Locks
	Now            func() time.Time // default time.Now
	// BundleMoment is called at the moments of a lock's bundle of so many entries, which wait until it returns; for tests; default nil.
	BundleMoment func(device string, at BundleMoment, entries int)

	// MoreRoots are device roots that locks shall trust beside DeviceRoot, and whose devices are served too.
	MoreRoots []*x509.Certificate
	// RenewIssuedBefore makes locks renew certificates that were issued earlier; zero: none for that.
	RenewIssuedBefore time.Time
}

func (p *Parts) setDefaults() {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.CopyMaxAge == 0 {
		p.CopyMaxAge = access.DefaultMaxAge
	}
	if p.Heartbeat == 0 {
		p.Heartbeat = defaultHeartbeat
	}
	if p.CertificateTTL == 0 {
		p.CertificateTTL = defaultCertificateTTL
	}
}

// BundleMoment is how far a lock's bundle is.
type BundleMoment = session.BundleMoment

// The moments of a bundle, in their order.
const (
	BundleCompiled = session.BundleCompiled // from the facts of now; nothing is noted
	BundleNoted    = session.BundleNoted    // it was not looked whether it still holds
	BundleSending  = session.BundleSending  // no part of it was sent
)

// Instance is the assembled service: calls to mount, a relay to run, and the locks' port to serve.
type Instance struct {
	// ID is the gateway's, kept in its state folder.
	ID    region.ID
	Relay *outbox.Relay

	parts        Parts
	unlock       func()
	keeper       *idempotency.Keeper
	store        *postgres.Store
	copy         *access.Copy
	states       *doorstate.Store
	bundles      *bundlestate.Store
	journal      *journal.Journal
	maker        *lockevent.Maker
	registration *registration.Registration
	renewals     *renewal.Desk
	hub          *session.Hub
	port         *lockport.Port
}

// New puts the parts together and reads the state folder, which belongs to this process until Close.
func New(p Parts) (i *Instance, err error) {
	p.setDefaults()
	i = &Instance{parts: p}
	if i.unlock, err = lockFolder(p.StateDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			i.unlock()
		}
	}()
	if i.ID, err = registration.Identity(p.StateDir, p.Region, p.Regions); err != nil {
		return nil, err
	}
	authority := enroll.NewAuthority(p.DeviceRoot, p.MoreRoots...)
	if err := i.storage(authority); err != nil {
		return nil, err
	}
	if err := i.local(); err != nil {
		return nil, err
	}
	return i, i.locks(authority)
}

// storage makes what works on the database.
func (i *Instance) storage(authority *enroll.Authority) (err error) {
	p := i.parts
	ob := outbox.New(outbox.Config{Service: Service, Region: p.Region.Name, Regions: p.Regions, AccessState: true})
	i.Relay, err = outbox.NewRelay(outbox.RelayConfig{
		DB: p.DB, Outbox: ob, Publisher: p.Broker, Caller: p.Dialer, Logger: p.Telemetry.Logger, Meter: p.Telemetry.Meter,
	})
	i.keeper = idempotency.New(p.Answers, p.Now)
	i.store = postgres.New(postgres.Config{
		DB: p.DB, Outbox: ob, Keeper: i.keeper, Regions: p.Regions, Own: p.Region,
		Authority: authority, CertificateTTL: p.CertificateTTL, Now: p.Now,
	})
	return err
}

// local opens what works on the state folder.
func (i *Instance) local() (err error) {
	p := i.parts
	i.registration = registration.New(registration.Config{
		Dir: p.StateDir, Own: p.Region, Regions: p.Regions, Table: i.store, CopyMaxAge: p.CopyMaxAge,
		AsOf: func() time.Time { return i.copy.AsOf() }, Now: p.Now, Logger: p.Telemetry.Logger,
	}, i.ID)
	i.states = doorstate.New(p.Broker, p.Telemetry.Logger)
	i.bundles = bundlestate.New(p.Broker)
	i.copy, err = access.Open(access.Config{
		Dir: filepath.Join(p.StateDir, "access"), Ring: p.State, Regions: p.Regions, Jurisdiction: p.Region.Jurisdiction, MaxAge: p.CopyMaxAge, Told: i.registration.Told, Now: p.Now,
		States: i.states, StateBound: p.StateBound, Logger: p.Telemetry.Logger, OnApplied: i.registration.Applied, OnDeviceChanged: func(id string, now access.Device) {
			if i.hub != nil { // nil while the file copy is read: there are no sessions yet
				i.hub.DeviceChanged(id, now)
			}
		}, OnDoorRule: func(r access.DoorRule) {
			if i.hub != nil {
				i.hub.DoorRuleChanged(r)
			}
		},
	})
	if err != nil {
		return err
	}
	i.journal, err = journal.Open(journal.Config{
		Dir: filepath.Join(p.StateDir, "journal"), Publish: publish(p.Broker), Logger: p.Telemetry.Logger, Meter: p.Telemetry.Meter,
	})
	return err
}

// publish hands the journal's events to the broker. An event's trace travels in its envelope and header.
func publish(b *bus.Bus) journal.Publish {
	return func(_ context.Context, event *typev1.Event) (func(context.Context) error, error) {
		ack, err := b.PublishAsync(event)
		if err != nil {
			return nil, err
		}
		return ack.Wait, nil
	}
}

// locks makes what locks talk to.
func (i *Instance) locks(authority *enroll.Authority) error {
	p := i.parts
	endpoints, err := lockendpoint.New(p.Endpoints, p.Region, p.Regions)
	if err != nil {
		return err
	}
	signer, err := authority.BundleSigner(p.Now)
	if err != nil {
		return err
	}
	i.renewals = renewal.New(renewal.Config{
		Table: i.store, Authority: authority, Now: p.Now, Logger: p.Telemetry.Logger, IssuedBefore: p.RenewIssuedBefore,
	})
	i.maker = lockevent.New(p.State, p.Regions, i.ID, p.Telemetry.Logger)
	i.hub = session.NewHub(session.Config{
		Copy: i.copy, Journal: i.journal, Maker: i.maker, Now: p.Now,
		Tracer: p.Telemetry.Tracer, Logger: p.Telemetry.Logger, Endpoints: endpoints.For, Heartbeat: p.Heartbeat, Renewals: i.renewals,
		MaxReconnects: p.Limits.MaxReconnectsPerDevice,
		Bundles: &session.Bundles{
			Source: i.copy, States: i.bundles, Signer: signer, Home: i.homeOf, Gateway: string(i.ID), Moment: p.BundleMoment,
		},
	})
	certificate, err := enroll.NewServerCertificate(authority, p.Now)
	if err != nil {
		return err
	}
	i.port = lockport.New(lockport.Config{
		Authority: authority, Certificate: certificate, Regions: p.Regions, Sessions: i.hub, Enroller: i.store,
		Endpoints: endpoints.For, Now: p.Now, Logger: p.Telemetry.Logger,
		MaxConnections: p.Limits.MaxConnections, MaxConnectionsPerAddress: p.Limits.MaxConnectionsPerAddress,
		MaxHandshakes: p.Limits.MaxHandshakes, MaxHandshakesPerAddress: p.Limits.MaxHandshakesPerAddress,
		MaxWaiting: p.Limits.MaxWaiting, MaxEnrolments: p.Limits.MaxEnrolmentsPerAddress,
	})
	return nil
}

func (i *Instance) homeOf(device string) (region.Name, error) {
	home, err := i.parts.Regions.Home(region.ID(device))
	return home.Name, err
}

// ServeLocks registers the gateway, then serves locks on the listener, which it closes, until ctx ends. The copy and the
// journal run before the first lock comes and until the last has left.
func (i *Instance) ServeLocks(ctx context.Context, l net.Listener) error {
	defer l.Close()
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, behind := errgroup.WithContext(behind)
	g.Go(func() error { return i.copy.Run(behind, i.parts.Broker) })
	g.Go(func() error { return i.states.Run(behind) })
	g.Go(func() error { return i.bundles.Run(behind) })
	g.Go(func() error { return i.hub.RunBundles(behind) })
	g.Go(func() error { return i.journal.Run(behind) })
	g.Go(func() error { return i.renewals.Run(behind) })
	g.Go(func() error { return i.hub.Run(behind) })
	front, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(behind, cancel) // a part behind that fails ends the port
	err := i.registration.Ensure(front)
	if err == nil {
		g.Go(func() error { return i.registration.Run(behind) })
		err = i.port.Serve(front, l)
	}
	stop()
	if failed := g.Wait(); failed != nil {
		return failed
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Server completes the configuration of a server with what is the same for every instance.
func (i *Instance) Server(cfg rpc.ServerConfig) rpc.ServerConfig {
	cfg.Service, cfg.Region, cfg.Regions = Service, i.parts.Region, i.parts.Regions
	cfg.Telemetry, cfg.Dialer, cfg.Ready = i.parts.Telemetry, i.parts.Dialer, i.parts.DB.Ping
	cfg.Errors = gatewayrpc.Errors()
	cfg.MeshCallers = map[string][]string{"mesh.wait_applied": {"permissions"}, "mesh.deliver_command": {Service}}
	return cfg
}

// Mount puts the service's handler on a server.
func (i *Instance) Mount(server *rpc.Server) {
	server.Handle(gatewayv1connect.NewGatewayServiceHandler(&gatewayrpc.Handler{
		Store: i.store, Doors: i.copy, Sessions: i.hub, Neighbours: gatewayrpc.Mesh{Dialer: i.parts.Dialer},
		Exposures: &exposure.Book{Copy: i.copy, States: i.bundles, Regions: i.parts.Regions, Own: i.parts.Region, Now: i.parts.Now},
		Orders:    gatewayrpc.JournalOrders{Maker: i.maker, Journal: i.journal},
		Regions:   i.parts.Regions, Own: i.parts.Region, ID: i.ID, Logger: i.parts.Telemetry.Logger, Now: i.parts.Now,
	}, server.Options()...))
}

// forgetEvery is how often answers that cannot be replayed any more are deleted: claim codes are in them.
const forgetEvery = time.Hour

// ForgetAnswers deletes remembered answers whose time is over, until ctx ends.
func (i *Instance) ForgetAnswers(ctx context.Context) error {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, r := range i.parts.Regions.In(i.parts.Region.Jurisdiction) {
			if err := i.keeper.Forget(ctx, i.parts.DB, r.Name); err != nil && ctx.Err() == nil {
				i.parts.Telemetry.Logger.Warn("old answers could not be deleted", "region", string(r.Name), "error", err)
			}
		}
	}
}

// Close gives the state folder back.
func (i *Instance) Close() { i.unlock() }

// lockFolder makes a folder this process's own: two gateways on one journal would spoil it.
func lockFolder(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("state folder %s is in use by another process: %w", dir, err)
	}
	return func() { f.Close() }, nil // the lock goes with the file
}
