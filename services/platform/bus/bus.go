package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ErrUnavailable is wrapped by every error that says the broker or the target region's broker cannot be reached now.
// The outcome of the operation is then unknown, and doing it again is safe.
var ErrUnavailable = errors.New("broker unavailable")

// NATS says how to reach the own region's broker: the shared configuration block. Without CAFile the connection is plain
// (tests only).
type NATS = config.NATS

// Config of a Bus.
type Config struct {
	NATS    NATS
	Region  region.Name
	Service string               // as in its certificate, e.g. `permissions`
	Logger  *slog.Logger         // nil: silent
	Tracer  trace.TracerProvider // nil: no spans
	// AckTimeout bounds one wait for the broker's answer; default 5 s.
	AckTimeout time.Duration
}

// Bus is one connection to the own region's broker.
type Bus struct {
	cfg        Config
	log        *slog.Logger
	tracer     trace.Tracer
	propagator propagation.TraceContext
	nc         *nats.Conn
	own        jetstream.JetStream // the own region's domain
	cut        atomic.Int32        // state watches that were interrupted and have not caught up again

	mu      sync.Mutex // guards the two below
	domains map[region.Name]jetstream.JetStream
	buckets map[string]jetstream.KeyValue // by domain + "/" + bucket
}

// Connect opens the bus. A broker that is down is no error: the connection is made in the background, for ever.
// Errors: unreadable or unusable TLS files, a malformed URL.
func Connect(ctx context.Context, cfg Config) (*Bus, error) {
	if cfg.Region == "" || cfg.Service == "" {
		return nil, errors.New("bus: no region or no service name")
	}
	if cfg.AckTimeout == 0 {
		cfg.AckTimeout = 5 * time.Second
	}
	b := &Bus{cfg: cfg, log: cfg.Logger, domains: map[region.Name]jetstream.JetStream{}, buckets: map[string]jetstream.KeyValue{}}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	provider := cfg.Tracer
	if provider == nil {
		provider = noop.NewTracerProvider()
	}
	b.tracer = provider.Tracer("github.com/cardea-mesh/cardea/services/platform/bus")
	var err error
	if b.nc, err = nats.Connect(cfg.NATS.URL, b.options()...); err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", cfg.NATS.URL, err)
	}
	if b.own, err = b.domain(cfg.Region); err != nil {
		b.nc.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bus) options() []nats.Option {
	opts := []nats.Option{
		nats.Name(b.cfg.Service + "." + string(b.cfg.Region)),
		// An inbox of its own, so that a broker can keep one service from reading another's answers.
		nats.CustomInboxPrefix(InboxPrefix(b.cfg.Region, b.cfg.Service)),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 200*time.Millisecond),
		// Nothing is buffered while disconnected: a publish fails at once and its owner keeps it.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(5 * time.Second), // two missed pings: 10 s until a silent cut is noticed
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.log.Warn("broker disconnected", "error", err)
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { b.log.Info("broker connected", "url", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Error("broker reported an error", "error", err)
		}),
	}
	if b.cfg.NATS.CAFile != "" {
		opts = append(opts, nats.RootCAs(b.cfg.NATS.CAFile), nats.ClientCert(b.cfg.NATS.CertFile, b.cfg.NATS.KeyFile))
	}
	return opts
}

// Close ends the connection. What was not acknowledged stays with its owner.
func (b *Bus) Close() { b.nc.Close() }

// Connected says whether the own region's broker is reached now, and every state watch is served: a connection can stand
// while JetStream does not answer, and a copy is then as old as when it was cut off.
func (b *Bus) Connected() bool { return b.nc.IsConnected() && b.cut.Load() == 0 }

// Region is the region whose broker this bus is connected to.
func (b *Bus) Region() region.Name { return b.cfg.Region }

// domain returns the JetStream of a region, reached through the own region's broker.
func (b *Bus) domain(r region.Name) (jetstream.JetStream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if js, ok := b.domains[r]; ok {
		return js, nil
	}
	js, err := jetstream.NewWithDomain(b.nc, string(r),
		jetstream.WithDefaultTimeout(b.cfg.AckTimeout), jetstream.WithPublishAsyncTimeout(b.cfg.AckTimeout))
	if err != nil {
		return nil, fmt.Errorf("jetstream domain %s: %w", r, err)
	}
	b.domains[r] = js
	return js, nil
}

// unavailable marks errors after which the outcome is unknown and a retry is safe.
func unavailable(err error) error {
	for _, is := range []error{
		nats.ErrNoResponders, nats.ErrTimeout, nats.ErrDisconnected, nats.ErrConnectionClosed, nats.ErrReconnectBufExceeded,
		nats.ErrConnectionReconnecting, jetstream.ErrNoStreamResponse, jetstream.ErrJetStreamNotEnabled, jetstream.ErrAsyncPublishTimeout,
		jetstream.ErrBucketNotFound, jetstream.ErrStreamNotFound, context.DeadlineExceeded,
	} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return err
}

// pause waits before try number n (from 0), growing to five seconds; false when ctx ended.
func pause(ctx context.Context, n int) bool {
	timer := time.NewTimer(min(100*time.Millisecond<<min(n, 10), 5*time.Second))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
