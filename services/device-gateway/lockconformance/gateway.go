package lockconformance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

// serverName is the name in every gateway's certificate.
const serverName = "gateway.cardea"

// GatewayConfig says which gateway to look at.
type GatewayConfig struct {
	// Address is host and port. Required.
	Address string
	// Claim is a claim code that was not used; it is used up. Required.
	Claim string
	// Card opens the device's door; nil: rules that need one are skipped.
	Card *lockwirev1.Card
	// Slow: rules are run too that take up to a minute each.
	Slow bool
	// Out gets a line for each rule; default none.
	Out io.Writer
}

// gatewayRun is a lock that nobody would want, in front of one gateway.
type gatewayRun struct {
	cfg         GatewayConfig
	secret      string
	fingerprint []byte
	// enrolment is what came of using the claim code; the identity is empty when it failed.
	enrolment error
	device    string
	key, next *ecdsa.PrivateKey // next: asked for in a renewal
	cert      tls.Certificate
	roots     *x509.CertPool
	// epoch is the newest boot epoch that was used: checks that send events have one each.
	epoch uint64
	// seen is what the server showed at enrolment.
	seen tls.ConnectionState
}

// Gateway looks whether a gateway keeps the rules of PROTOCOL.md that bind it. Its error: nothing could be looked at.
func Gateway(ctx context.Context, cfg GatewayConfig) (Report, error) {
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	g := &gatewayRun{cfg: cfg}
	secret, fingerprint, _ := strings.Cut(cfg.Claim, ".")
	var err error
	if g.fingerprint, err = base64.RawURLEncoding.DecodeString(fingerprint); err != nil || len(g.fingerprint) != sha256.Size {
		return nil, errors.New("a claim code is <secret>.<fingerprint>")
	}
	g.secret = secret
	if err := g.enrol(ctx); err != nil {
		return nil, fmt.Errorf("the claim code %s... cannot be used: %w", secret[:min(len(secret), 4)], err)
	}
	var report Report
	for _, r := range catalogue() {
		switch {
		case r.gateway != nil:
			report = append(report, perform(ctx, cfg.Out, g, r.name, r.gateway, 2*time.Minute))
		case r.gatewayNote != "":
			result := Result{Rule: r.name, Outcome: Skipped, Why: r.gatewayNote}
			printLine(cfg.Out, result)
			report = append(report, result)
		}
	}
	report.Print(cfg.Out)
	return report, ctx.Err()
}

// enrol makes a key and uses the claim code, after a request that must not use it up.
func (g *gatewayRun) enrol(ctx context.Context) error {
	g.enrolment = g.badRequestFirst(ctx)
	var err error
	if g.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	csr, err := certificateRequest(g.key)
	if err != nil {
		return err
	}
	p, err := g.dialEnrol(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	g.seen = p.conn.ConnectionState()
	if err := p.send(&lockwirev1.EnrollRequest{ClaimSecret: g.secret, CertificateRequest: csr}); err != nil {
		return err
	}
	answer, err := await[*lockwirev1.EnrollResponse](p, 2*patience)
	if err != nil {
		return err
	}
	if err := p.ends(); err != nil && g.enrolment == nil {
		g.enrolment = fmt.Errorf("after EnrollResponse %w", err)
	}
	g.device = answer.GetDeviceId()
	return g.adopt(g.key, answer.GetCertificateChain(), answer.GetRoots())
}

// adopt makes a certificate the lock's own.
func (g *gatewayRun) adopt(key *ecdsa.PrivateKey, chain, roots [][]byte) error {
	pool := x509.NewCertPool()
	for _, der := range roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		pool.AddCert(root)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	if public, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return errors.New("the certificate has another key than was asked for")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("the certificate is not of the roots that came with it: %w", err)
	}
	g.key, g.roots, g.cert = key, pool, tls.Certificate{Certificate: chain, PrivateKey: key}
	return nil
}

func certificateRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

// badRequestFirst sends a certificate request that is none: it must not use up the code.
func (g *gatewayRun) badRequestFirst(ctx context.Context) error {
	p, err := g.dialEnrol(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.send(&lockwirev1.EnrollRequest{ClaimSecret: g.secret, CertificateRequest: []byte("none")}); err != nil {
		return err
	}
	return p.refused(lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST)
}

// tls is the client's side, with the root pinned by fingerprint.
func (g *gatewayRun) tls(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: protocols, ServerName: serverName, SessionTicketsDisabled: true,
		InsecureSkipVerify: true, VerifyConnection: g.verify, // which does all of it
	}
}

func (g *gatewayRun) verify(s tls.ConnectionState) error {
	between, roots, found := x509.NewCertPool(), x509.NewCertPool(), false
	for _, c := range s.PeerCertificates {
		if h := sha256.Sum256(c.Raw); bytes.Equal(h[:], g.fingerprint) {
			roots.AddCert(c)
			found = true
		} else {
			between.AddCert(c)
		}
	}
	if !found {
		return errors.New("the server does not show the root that the claim code names")
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: serverName, Roots: roots, Intermediates: between})
	return err
}

func (g *gatewayRun) dial(ctx context.Context, cfg *tls.Config) (*peer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: cfg, NetDialer: new(net.Dialer)}).DialContext(ctx, "tcp", g.cfg.Address)
	if err != nil {
		return nil, err
	}
	return newPeer(conn.(*tls.Conn)), nil
}

func (g *gatewayRun) dialEnrol(ctx context.Context) (*peer, error) {
	return g.dial(ctx, g.tls(wire.ALPNEnroll))
}

// connect is a connection with the device's certificate, before Hello.
func (g *gatewayRun) connect(ctx context.Context) (*peer, error) {
	cfg := g.tls(wire.ALPNSession)
	cfg.Certificates = []tls.Certificate{g.cert}
	return g.dial(ctx, cfg)
}

// hello is the Hello of a new boot.
func (g *gatewayRun) hello() *lockwirev1.Hello {
	g.epoch++
	return &lockwirev1.Hello{
		DeviceId: g.device, Firmware: "conformance", Model: "conformance", BootEpoch: g.epoch, Versions: []uint32{1},
		LockTimeMs: uint64(time.Now().UnixMilli()), ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED,
	}
}

// session opens a session; a device that enrolled a moment ago may be told to come again.
func (g *gatewayRun) session(ctx context.Context, hello *lockwirev1.Hello) (*peer, *lockwirev1.Welcome, error) {
	for {
		p, err := g.connect(ctx)
		if err != nil {
			return nil, nil, err
		}
		if err := p.send(hello); err != nil {
			p.close()
			return nil, nil, err
		}
		welcome, err := await[*lockwirev1.Welcome](p, 15*time.Second)
		if err == nil {
			return p, welcome, nil
		}
		p.close()
		var said *wire.ProtocolError
		if !errors.As(err, &said) || said.Code != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE {
			return nil, nil, err
		}
		if !pause(ctx, time.Duration(said.RetryAfterMS)*time.Millisecond) {
			return nil, nil, err
		}
	}
}

// in runs something in a new session of a new boot.
func in(do func(ctx context.Context, g *gatewayRun, p *peer) error) check[*gatewayRun] {
	return func(ctx context.Context, g *gatewayRun) error {
		p, _, err := g.session(ctx, g.hello())
		if err != nil {
			return err
		}
		defer p.close()
		return do(ctx, g, p)
	}
}

// refuses: what is sent in a session gets an Error, and the end.
func refuses(want lockwirev1.ErrorCode, send func(g *gatewayRun, p *peer) error) check[*gatewayRun] {
	return in(func(_ context.Context, g *gatewayRun, p *peer) error {
		if err := send(g, p); err != nil {
			return err
		}
		return p.refused(want)
	})
}

// first: what is sent instead of Hello gets an Error, and the end.
func first(want lockwirev1.ErrorCode, send func(g *gatewayRun, p *peer) error) check[*gatewayRun] {
	return func(ctx context.Context, g *gatewayRun) error {
		p, err := g.connect(ctx)
		if err != nil {
			return err
		}
		defer p.close()
		if err := send(g, p); err != nil {
			return err
		}
		return p.refused(want)
	}
}

// all makes several checks into one.
func all[T any](checks ...check[T]) check[T] {
	return func(ctx context.Context, run T) error {
		for _, one := range checks {
			if err := one(ctx, run); err != nil {
				return err
			}
		}
		return nil
	}
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
