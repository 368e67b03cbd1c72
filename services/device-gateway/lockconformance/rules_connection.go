package lockconformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

func connectionRules() []rule {
	return []rule{
		{name: "R-TLS-1", gateway: onlyTLS13},
		{name: "R-TLS-2", gateway: sessionBeforeEnrolment},
		{name: "R-TLS-3", gateway: otherProtocols},
		{name: "R-TLS-4", gateway: serverCertificate},
		{name: "R-TLS-5", gateway: serverCertificate},
		{name: "R-TLS-6", gateway: strangers},
		{name: "R-TLS-7", lock: otherServerName},
	}
}

func onlyTLS13(ctx context.Context, g *gatewayRun) error {
	cfg := g.tls(wire.ALPNEnroll)
	cfg.MaxVersion = tls.VersionTLS12
	if p, err := g.dial(ctx, cfg); err == nil {
		p.close()
		return errors.New("it took TLS 1.2")
	}
	return nil
}

func sessionBeforeEnrolment(ctx context.Context, g *gatewayRun) error {
	p, err := g.connect(ctx, wire.ALPNEnroll, wire.ALPNSession)
	if err != nil {
		return err
	}
	defer p.close()
	if got := p.conn.ConnectionState().NegotiatedProtocol; got != wire.ALPNSession {
		return fmt.Errorf("it chose %q", got)
	}
	return nil
}

func otherProtocols(ctx context.Context, g *gatewayRun) error {
	p, err := g.dial(ctx, g.tls("http/1.1"))
	if err == nil {
		p.close()
		return errors.New("it took http/1.1")
	}
	if !strings.Contains(err.Error(), "no application protocol") {
		return fmt.Errorf("http/1.1 is refused with %w, not with no_application_protocol", err)
	}
	if p, err := g.dial(ctx, g.tls()); err == nil {
		p.close()
		return errors.New("it took a client without ALPN")
	}
	return nil
}

// serverCertificate is R-TLS-4 and R-TLS-5: chain, name, usage, and that the root is there to be seen.
func serverCertificate(_ context.Context, g *gatewayRun) error { return g.verify(g.seen) }

// strangers: no certificate, and one of another root.
func strangers(ctx context.Context, g *gatewayRun) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: g.name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	own, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	for what, certificates := range map[string][]tls.Certificate{"without a certificate": nil, "with its own certificate": {{Certificate: [][]byte{own}, PrivateKey: key}}} {
		cfg := g.tls(wire.ALPNSession)
		cfg.Certificates = certificates
		p, err := g.dial(ctx, cfg)
		if err != nil {
			continue // refused in the handshake already
		}
		p.send(&lockwirev1.Hello{DeviceId: g.name, BootEpoch: 1, Versions: []uint32{1}}) // may fail: the gateway has closed
		m, err := p.next(p.patience)
		p.close()
		if err == nil {
			return fmt.Errorf("a client %s got %s", what, name(m))
		}
		if !broke(err) {
			return fmt.Errorf("a client %s: %w", what, err)
		}
	}
	return nil
}
