package lockport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const (
	handshakeTimeout = 10 * time.Second
	// drainTimeout is how long locks have to leave when the gateway stops.
	drainTimeout = 2 * time.Second
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
	// MaxConnections is how many connections may be open; default 100,000.
	MaxConnections int
	// MaxHandshakes is how many handshakes and enrolments one address may have under way; default 64.
	MaxHandshakes int
}

// Port accepts locks.
type Port struct {
	cfg Config
	tls *tls.Config

	mu         sync.Mutex
	open       int                // guarded by mu
	handshakes map[netip.Addr]int // guarded by mu
}

// New makes a port; Serve opens it.
func New(cfg Config) *Port {
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 100_000
	}
	if cfg.MaxHandshakes == 0 {
		cfg.MaxHandshakes = 64
	}
	p := &Port{cfg: cfg, handshakes: map[netip.Addr]int{}}
	p.tls = p.tlsConfig()
	return p
}

var errNoProtocol = errors.New("the client offers no protocol")

func (p *Port) tlsConfig() *tls.Config {
	base := &tls.Config{
		MinVersion: tls.VersionTLS13, Time: p.cfg.Now, SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.cfg.Certificate.Get() },
	}
	enrolling, session := base.Clone(), base.Clone()
	enrolling.NextProtos = []string{wire.ALPNEnroll}
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
	var connections sync.WaitGroup
	live, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		drain, cancel := context.WithTimeout(live, drainTimeout)
		defer cancel()
		p.cfg.Sessions.Stop(drain)
		cut()
		connections.Wait()
	}()
	for {
		raw, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			p.cfg.Logger.Warn("accepting a lock failed", "error", err) // e.g. no file descriptors left
			if !pause(ctx, 50*time.Millisecond) {
				return nil
			}
			continue
		}
		address := addressOf(raw)
		if !p.enter(address) {
			raw.Close()
			continue
		}
		connections.Go(func() { p.serve(live, raw, address) })
	}
}

// enter counts a connection in, if the limits allow it.
func (p *Port) enter(address netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open >= p.cfg.MaxConnections || p.handshakes[address] >= p.cfg.MaxHandshakes {
		p.cfg.Logger.Warn("a lock's connection is over the limit", "address", address, "open", p.open, "handshakes", p.handshakes[address])
		return false
	}
	p.open++
	p.handshakes[address]++
	return true
}

// known gives the handshake's place back.
func (p *Port) known(address netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handshakes[address]--; p.handshakes[address] <= 0 {
		delete(p.handshakes, address)
	}
}

func (p *Port) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
}

func (p *Port) serve(ctx context.Context, raw net.Conn, address netip.Addr) {
	defer p.leave()
	knownOnce := sync.OnceFunc(func() { p.known(address) })
	defer knownOnce()
	conn := tls.Server(raw, p.tls)
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(handshake); err != nil {
		p.cfg.Logger.Warn("a lock's handshake failed", "address", address, "error", err, "device", claimedDevice(err))
		conn.Close()
		return
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol == wire.ALPNEnroll {
		p.enroll(ctx, conn) // keeps its place among the handshakes: nobody is known yet
		return
	}
	id, err := enroll.IdentityOf(state.PeerCertificates[0], p.cfg.Regions)
	if err != nil {
		p.cfg.Logger.Warn("a certificate of the device root names no device", "address", address, "error", err)
		conn.Close()
		return
	}
	knownOnce()
	p.cfg.Sessions.Serve(ctx, conn, id)
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
