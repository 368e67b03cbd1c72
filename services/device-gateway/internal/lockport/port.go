package lockport

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const (
	// drainTimeout is how long locks have to leave when the gateway stops: they are asked within 4 s, and each has 1 s. A process has 8 s to stop.
	drainTimeout = 6 * time.Second
	// sweepEvery is how often what waited for too long is closed.
	sweepEvery = time.Second
	// sendBuffer bounds what the kernel holds for a lock, in bytes; Linux doubles it. It is what may be under way on a line that is fast and long.
	sendBuffer = 128 << 10
	// unsent bounds what of that is not under way, where the system can: all answers that a lock within its credits may be owed. One that does
	// not read gets no more computed.
	unsent = 8 << 10
)

// Sessions serves locks that proved who they are.
type Sessions interface {
	Serve(ctx context.Context, conn *tls.Conn, id enroll.Identity)
	// Stop asks all locks to leave, and returns when they have, or ctx ended.
	Stop(ctx context.Context)
}

// Config of a Port; everything is required but the limits.
type Config struct {
	Authority   *enroll.Authority
	Certificate *enroll.ServerCertificate
	Regions     *region.Map
	Sessions    Sessions
	Enroller    Enroller
	// Endpoints are what a device is told: where to dial, best first.
	Endpoints func(device region.ID) []*lockwirev1.Endpoint
	Now       func() time.Time
	Logger    *slog.Logger
	// MaxConnections is how many connections may be open, MaxConnectionsPerAddress how many from one address, behind which there may
	// be a whole building; default 100,000 and 25,000.
	MaxConnections, MaxConnectionsPerAddress int
	// MaxHandshakes is how many handshakes and enrolments may be under way, MaxHandshakesPerAddress how many from one address;
	// default 512 for each CPU that the process may use, and 64.
	MaxHandshakes, MaxHandshakesPerAddress int
	// MaxWaiting is how many connections may wait for their handshake to begin; default 32 times MaxHandshakes: 16,384 for each CPU, a few
	// seconds of its handshakes.
	MaxWaiting int
	// MaxEnrolments is how many enrolments one address may try in a minute; default 600.
	MaxEnrolments int
}

func (c *Config) setDefaults() {
	cpus := runtime.GOMAXPROCS(0)
	c.MaxConnections = cmp.Or(c.MaxConnections, 100_000)
	c.MaxConnectionsPerAddress = cmp.Or(c.MaxConnectionsPerAddress, 25_000)
	c.MaxHandshakes = cmp.Or(c.MaxHandshakes, 512*cpus)
	c.MaxHandshakesPerAddress = cmp.Or(c.MaxHandshakesPerAddress, 64)
	c.MaxWaiting = cmp.Or(c.MaxWaiting, 32*c.MaxHandshakes)
	c.MaxEnrolments = cmp.Or(c.MaxEnrolments, 600)
}

// Port accepts locks.
type Port struct {
	cfg Config
	tls *tls.Config

	places *places
	slots  *slots // of handshakes that compute
	lines  lines  // about strangers
}

// New makes a port; Serve opens it.
func New(cfg Config) *Port {
	cfg.setDefaults()
	p := &Port{cfg: cfg, slots: newSlots(runtime.GOMAXPROCS(0))}
	p.places = newPlaces(limits{
		connections: cfg.MaxConnections, connectionsPerAddress: cfg.MaxConnectionsPerAddress,
		handshakes: cfg.MaxHandshakes, handshakesPerAddress: cfg.MaxHandshakesPerAddress,
		waiting: cfg.MaxWaiting, enrolmentsPerMinute: cfg.MaxEnrolments,
	}, time.Now)
	p.tls = p.tlsConfig()
	return p
}

var errNoProtocol = errors.New("the client offers no protocol")

func (p *Port) tlsConfig() *tls.Config {
	base := &tls.Config{
		MinVersion: tls.VersionTLS13, Time: p.cfg.Now, // its ticket keys are made by crypto/tls, and replaced each day
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.cfg.Certificate.Get() },
	}
	enrolling, session := base.Clone(), base.Clone()
	enrolling.NextProtos, enrolling.SessionTicketsDisabled = []string{wire.ALPNEnroll}, true
	session.NextProtos = []string{wire.ALPNSession}
	session.ClientAuth, session.ClientCAs = tls.RequireAndVerifyClientCert, p.cfg.Authority.Pool()
	outer := base.Clone()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch {
		case slices.Contains(hello.SupportedProtos, wire.ALPNSession):
			return session, nil
		case slices.Contains(hello.SupportedProtos, wire.ALPNEnroll):
			return enrolling, nil
		case len(hello.SupportedProtos) > 0:
			return session, nil // none of them is its protocol: the alert is no_application_protocol
		default:
			return nil, errNoProtocol
		}
	}
	return outer
}

// Serve accepts until ctx ends; then it stops accepting, asks the locks to leave and, after drainTimeout, cuts off those
// that are left.
func (p *Port) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	live, cut := context.WithCancel(context.WithoutCancel(ctx))
	s := &serving{Port: p, ctx: live}
	swept := make(chan struct{})
	go func() { defer close(swept); s.sweep(ctx) }()
	defer func() {
		<-swept
		closeAll(p.places.drain())
		drain, cancel := context.WithTimeout(live, drainTimeout)
		defer cancel()
		p.cfg.Sessions.Stop(drain)
		cut()
		s.connections.Wait()
	}()
	for {
		raw, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				raw.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			p.cfg.Logger.Warn("accepting a lock failed", "error", err) // e.g. no file descriptors left
			if !pause(ctx, 50*time.Millisecond) {
				return nil
			}
		default:
			s.accepted(raw)
		}
	}
}

// serving is one call of Serve.
type serving struct {
	*Port
	ctx         context.Context // the connections'
	connections sync.WaitGroup
	overLimit   atomic.Int64 // when it was logged last, seconds
}

// accepted begins a connection's handshake, lets it wait, or closes it.
func (s *serving) accepted(raw net.Conn) {
	address := addressOf(raw)
	switch s.places.enter(address, raw) {
	case begin:
		s.begin(waiting{raw, address, time.Now()})
	case refused:
		raw.Close()
		if now := time.Now().Unix(); s.overLimit.Swap(now) != now { // a storm writes a line a second
			s.cfg.Logger.Warn("locks' connections are over a limit", "address", address)
		}
	}
}

// begin makes a connection's handshake. What follows has a goroutine of its own: a handshake needs a large stack, and an idle connection would keep it.
func (s *serving) begin(c waiting) {
	s.connections.Go(func() {
		if follows := s.serve(c); follows != nil {
			s.connections.Go(follows)
		}
	})
}

// sweep closes, now and then, what waited for too long.
func (s *serving) sweep(ctx context.Context) {
	for pause(ctx, sweepEvery) {
		closeAll(s.places.sweep())
	}
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// known gives a handshake's place to the connection whose turn it is.
func (s *serving) known(address netip.Addr) {
	next, any, late := s.places.known(address)
	closeAll(late)
	if any {
		s.begin(next)
	}
}

// serve makes the handshake, and returns what is to be done with the connection then; nil: it is closed.
func (s *serving) serve(c waiting) (follows func()) {
	address := c.from
	known := sync.OnceFunc(func() { s.known(address) })
	over := func() { known(); s.places.leave(address) }
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		tcp.SetWriteBuffer(sendBuffer)
		boundUnsent(tcp, unsent)
	}
	conn, err := s.handshake(c)
	if err != nil {
		if !errors.Is(err, errLate) { // the port is crowded, not the lock at fault
			s.warn(s.ctx, "a lock's handshake failed", "address", address, "error", err, "device", claimedDevice(err))
		}
		c.conn.Close()
		over()
		return nil
	}
	if conn.ConnectionState().NegotiatedProtocol == wire.ALPNEnroll {
		return func() { // it keeps its place among the handshakes: nobody is known yet
			defer over()
			s.enroll(s.ctx, conn, address)
		}
	}
	id, err := enroll.IdentityOf(conn.ConnectionState().PeerCertificates[0], s.cfg.Regions)
	if err != nil {
		s.cfg.Logger.Warn("a certificate of the device root names no device", "address", address, "error", err)
		conn.Close()
		over()
		return nil
	}
	known()
	return func() {
		defer over()
		s.cfg.Sessions.Serve(s.ctx, conn, id)
	}
}

// handshake makes TLS of a connection; with an error the connection is still to be closed.
func (s *serving) handshake(c waiting) (*tls.Conn, error) {
	g := newGate(c, s.slots, func() bool { return s.places.crowded(c.from) })
	defer g.known()
	conn := tls.Server(g, s.tls)
	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	defer cancel()
	return conn, conn.HandshakeContext(ctx)
}

// warn logs what a stranger did, as far as they may fill the log.
func (p *Port) warn(ctx context.Context, what string, args ...any) {
	ok, omitted := p.lines.take(time.Now().Unix())
	if omitted > 0 {
		args = append(args, "lines left out before", omitted)
	}
	if ok {
		p.cfg.Logger.WarnContext(ctx, what, args...)
	}
}

// claimedDevice is who an unverified certificate says that it is, for the log only.
func claimedDevice(err error) string {
	var failed *tls.CertificateVerificationError
	if errors.As(err, &failed) && len(failed.UnverifiedCertificates) > 0 {
		return claimed(failed.UnverifiedCertificates[0])
	}
	return ""
}

func claimed(cert *x509.Certificate) string {
	name := cert.Subject.CommonName
	if len(name) > 64 {
		name = name[:64]
	}
	return fmt.Sprintf("%q (not verified)", name)
}

func addressOf(c net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
