package session

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"go.opentelemetry.io/otel/trace"
)

// Errors of commands.
var (
	// ErrOffline: this gateway does not hold the device's connection.
	ErrOffline = errors.New("the lock is not connected to this gateway")
	// ErrBusy: too many commands of the lock are without answer.
	ErrBusy = errors.New("too many commands of this lock wait for their answer")
	// ErrNoAnswer: the command was sent and not answered before its end; the lock does nothing after it.
	ErrNoAnswer = errors.New("the lock did not answer before the command's end")
)

// Copy is what a session needs of the access state. access.Copy is one.
type Copy interface {
	Ready() bool
	Device(id string) (d access.Device, known, removed bool)
	// WaitDevice waits for the device to be known with a key, as long as ctx lasts, and returns what is known then.
	WaitDevice(ctx context.Context, id string, keyHash []byte) (access.Device, bool)
	Decide(ctx context.Context, deviceID string, m *lockwirev1.AccessRequest, at time.Time) access.Verdict
	Standing(ctx context.Context, d access.Device, at time.Time) (access.Standing, bool)
	HeldOpenAfter(org, door string) time.Duration
}

// Journal is what a session needs of the journal. journal.Journal is one.
type Journal interface {
	Append(ctx context.Context, entries ...journal.Entry) error
	Received(device string, epoch, first uint64) uint64
	Durable(device string, epoch, first uint64) uint64
	Watch(device string) (changed <-chan struct{}, stop func())
}

// Config of a Hub; everything is required but Heartbeat and what follows it.
type Config struct {
	Copy    Copy
	Journal Journal
	Maker   *lockevent.Maker
	Now     func() time.Time
	Tracer  trace.TracerProvider
	Logger  *slog.Logger
	// Endpoints are what a device is told: where to dial, best first.
	Endpoints func(device region.ID) []*lockwirev1.Endpoint
	// Heartbeat is how often a silent lock shall ping; default 30 s.
	Heartbeat time.Duration
	// HelloTimeout is how long the gateway waits for Hello; default 10 s.
	HelloTimeout time.Duration
	// KnownTimeout is how long Hello of a device that the copy does not have yet is held; default 5 s.
	KnownTimeout time.Duration
	// MaxReconnects is how many sessions one device may begin in a minute; default 60.
	MaxReconnects int
	// Bundles is what locks may decide alone; nil: nothing.
	Bundles *Bundles
	// Renewals renews certificates; nil: they are not renewed here.
	Renewals Renewals
}

// Hub is all sessions of this gateway.
type Hub struct {
	cfg    Config
	tracer trace.Tracer
	// serverSpan are the options of a decision's span, made once.
	serverSpan []trace.SpanStartOption
	// bundler is nil where no bundles are given.
	bundler *bundler

	mu       sync.Mutex
	sessions map[string]*session // by device; guarded by mu
	stopping bool                // guarded by mu
	all      sync.WaitGroup
	parking  *parking
	keeper   *keeper
	churn    *churn
}

// What Config says where it says nothing.
const (
	defaultHeartbeat = 30 * time.Second
	defaultHello     = 10 * time.Second
)

// NewHub has no sessions yet. Run keeps doors as their rules say.
func NewHub(cfg Config) *Hub {
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = defaultHeartbeat
	}
	if cfg.HelloTimeout == 0 {
		cfg.HelloTimeout = defaultHello
	}
	if cfg.KnownTimeout == 0 {
		cfg.KnownTimeout = 5 * time.Second
	}
	h := &Hub{
		cfg: cfg, sessions: map[string]*session{}, parking: newParking(), churn: newChurn(cfg.MaxReconnects),
		tracer:     cfg.Tracer.Tracer("github.com/cardea-mesh/cardea/services/device-gateway/internal/session"),
		serverSpan: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)},
	}
	h.keeper = newKeeper(h)
	if cfg.Bundles != nil {
		h.bundler = newBundler(h, *cfg.Bundles)
	}
	return h
}

// Serve runs a session on a connection whose certificate was verified, until it ends, and closes the connection.
func (h *Hub) Serve(ctx context.Context, conn *tls.Conn, id enroll.Identity) {
	h.mu.Lock()
	if h.stopping {
		h.mu.Unlock()
		conn.Close()
		return
	}
	h.all.Add(1)
	h.mu.Unlock()
	defer h.all.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newSession(h, conn, id)
	stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
	defer stop()
	while, done := context.WithCancel(ctx)
	err := s.run(while)
	done()
	if h.bundler != nil {
		h.bundler.forget(s)
	}
	keep := s.broke(err)
	if keep {
		s.worker.Wait() // what is kept is nobody's then
	}
	h.keeper.forget(s)
	h.leave(s, keep)
	s.end(err)
}

func (h *Hub) find(device string) *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[device]; s != nil && s.open.Load() {
		return s
	}
	return nil
}

// DeviceChanged ends the session of a device that is gone (now is the zero Device), stands at another door, or does not have
// the session's key any more. It does not block.
func (h *Hub) DeviceChanged(device string, now access.Device) {
	h.mu.Lock()
	s := h.sessions[device]
	h.mu.Unlock()
	if s != nil && (now.Door != s.device.Door || !now.Accepts(s.identity.KeyHash)) {
		s.shut(refused("the device was revoked or changed"))
	}
}

// Sessions is how many locks are connected.
func (h *Hub) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

// Connected says whether a device has an open session here.
func (h *Hub) Connected(device string) bool { return h.find(device) != nil }
