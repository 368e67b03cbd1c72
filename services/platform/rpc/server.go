package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/metric"

	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Bounds of a server. Draining must end before run.DrainTimeout (8 s) does.
const (
	readHeaderTimeout = 5 * time.Second
	callTimeout       = 75 * time.Second // where the caller states none; longer than the longest wait that a method offers (60 s)
	bodyTimeout       = 90 * time.Second // also bounds an HTTP/1.1 call as a whole
	writeTimeout      = 2 * time.Minute  // from the header's end to the answer's
	idleTimeout       = 2 * time.Minute
	maxHeader         = 16 << 10 // bytes
	compressFrom      = 1 << 10  // bytes; a smaller answer fits a packet anyway, and compressing it costs more than the call
	drainTimeout      = 6 * time.Second
)

// ServerConfig is what a server needs.
type ServerConfig struct {
	// Service is our name in the mesh, Region where we stand, Regions what there is. Required.
	Service string
	Region  region.Region
	Regions *region.Map
	// TLS is Identity.Server. Required.
	TLS *tls.Config
	// Telemetry is required; telemetry.Discard in tests.
	Telemetry *telemetry.Telemetry
	// Auth decides about API keys; nil: none is taken.
	Auth Authenticator
	// MeshCallers says which services may call methods of a mesh permission: `mesh.follow` -> permissions.
	MeshCallers map[string][]string
	// Operators are the deployment's own people.
	Operators []Operator
	// Errors is the service's table; fault.Platform's comes after it.
	Errors fault.Table
	// Dialer forwards calls to their home; nil: nothing is forwarded.
	Dialer *Dialer
	// PublicEndpoints are what a caller at the wrong border is told: region, service, URL.
	PublicEndpoints map[region.Name]map[string]string
	// Ready says (nil) that the service can work, e.g. that its database answers; nil: always. It is asked by health checks.
	Ready func(context.Context) error
	// MaxBody bounds a request in bytes; 0: 1 MiB.
	MaxBody int
	// MaxInFlight bounds the calls handled at once; 0: 512.
	MaxInFlight int
}

// Server serves a service's RPCs.
type Server struct {
	cfg      ServerConfig
	logger   *slog.Logger
	methods  methods
	room     admission
	refused  metric.Int64Counter
	options  []connect.HandlerOption
	errors   *connect.ErrorWriter
	mux      *http.ServeMux
	services []string // set before Serve
	stopping atomic.Bool
}

// NewServer makes a server. Mount handlers with Handle, then Serve.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = 512
	}
	for _, operator := range cfg.Operators {
		if err := operator.Validate(); err != nil {
			return nil, fmt.Errorf("rpc server: %w", err)
		}
	}
	refused, err := cfg.Telemetry.Meter.Meter("github.com/cardea-mesh/cardea/services/platform/rpc").Int64Counter("cardea.residency.refused",
		metric.WithDescription("Personal calls refused at the wrong border. Not 0: a client calls the wrong region; find it by its procedure."))
	if err != nil {
		return nil, fmt.Errorf("rpc server: %w", err)
	}
	traces, err := tracing(cfg.Telemetry) // it believes trace headers: a stranger's are removed before
	if err != nil {
		return nil, fmt.Errorf("rpc server: %w", err)
	}
	s := &Server{cfg: cfg, logger: cfg.Telemetry.Logger, room: newAdmission(cfg.MaxInFlight), refused: refused, mux: http.NewServeMux()}
	s.options = s.steps(traces)
	s.errors = connect.NewErrorWriter(s.options...)
	return s, nil
}

// steps are what every call goes through, in order; the last, inside errorsOut, is handle.
func (s *Server) steps(traces connect.Interceptor) []connect.HandlerOption {
	gate := func(ctx context.Context, spec connect.Spec, peer connect.Peer, header http.Header) (context.Context, error) {
		return ctx, s.gate(ctx, spec, peer, header)
	}
	return []connect.HandlerOption{
		connect.WithCodec(jsonCodecs[0]), connect.WithCodec(jsonCodecs[1]),
		connect.WithReadMaxBytes(s.cfg.MaxBody),
		connect.WithCompressMinBytes(compressFrom),
		connect.WithRequestGate(gate),
		connect.WithInterceptors(
			traces,
			unaryOnly{s.errorsOut},
		),
	}
}

// Options are for the constructor of a generated handler.
func (s *Server) Options() []connect.HandlerOption { return s.options }

// Handle mounts what a generated constructor returned:
//
//	s.Handle(identityv1connect.NewIdentityServiceHandler(h, s.Options()...))
func (s *Server) Handle(path string, handler http.Handler) {
	s.mux.Handle(path, handler)
	s.services = append(s.services, strings.Trim(path, "/"))
}

// Serve answers on the listener, with TLS, until ctx ends; then health says no, no connection is taken any more, calls that
// run have drainTimeout to end, and what is left is cut off. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.mountHealth()
	force, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s.prepare(s.mux),
		TLSConfig:         s.cfg.TLS.Clone(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return force },
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug), // a stranger's broken handshakes
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	drain, done := context.WithTimeout(force, drainTimeout)
	defer done()
	if err := server.Shutdown(drain); err != nil {
		s.logger.Warn("calls were cut off", "error", err)
		cut()
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
