package lockconformance

import (
	"bytes"
	"cmp"
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
	"slices"
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
	// Claims are claim codes of devices at one door that were not used; they are used up. One is enough. A device may begin 60
	// sessions in a minute (R-RATE-2), and a run takes some two hundred: with one code it waits, with four it does not.
	Claims []string
	// Card opens the device's door; nil: rules that need one are skipped.
	Card *lockwirev1.Card
	// Bundle: the door allows its locks to decide alone, so that they get a bundle.
	Bundle bool
	// Operator may be nil: rules that need one are skipped.
	Operator GatewayOperator
	// Slow: rules are run too that take up to a minute each.
	Slow bool
	// Only are the rules to look at; none: all.
	Only []string
	// Patience is how long something is waited for that has to come; default 30 s.
	Patience time.Duration
	// Out gets a line for each rule; default none.
	Out io.Writer
}

// gatewayRun is a lock that nobody would want, in front of one gateway.
type gatewayRun struct {
	cfg         GatewayConfig
	fingerprint []byte
	// enrolment is what came of using the first claim code.
	enrolment error
	// device is the one that the rule at hand plays, of devices.
	*device
	devices []*device
	// taken is what came of taking the card away; nil: that was not done yet.
	taken *error
	// noBundle: it was waited for one, and none came.
	noBundle bool
	// seen is what the server showed at enrolment.
	seen tls.ConnectionState
}

// Gateway looks whether a gateway keeps the rules of PROTOCOL.md that bind it. Its error: nothing could be looked at.
func Gateway(ctx context.Context, cfg GatewayConfig) (Report, error) {
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	cfg.Patience = cmp.Or(cfg.Patience, defaultPatience)
	if err := known(cfg.Only); err != nil {
		return nil, err
	}
	g := &gatewayRun{cfg: cfg}
	if err := g.enrolAll(ctx); err != nil {
		return nil, err
	}
	var report Report
	for _, r := range catalogue() {
		switch {
		case len(cfg.Only) > 0 && !slices.Contains(cfg.Only, r.name):
		case r.gateway != nil:
			g.device = g.freshest()
			report = append(report, perform(ctx, cfg.Out, g, r.name, letIn(r.gateway)))
		default:
			report = append(report, passOver(cfg.Out, r.name, cmp.Or(r.gatewayNote, "it binds the lock")))
		}
	}
	report.Print(cfg.Out)
	return report, ctx.Err()
}

// enrolAll uses the claim codes.
func (g *gatewayRun) enrolAll(ctx context.Context) error {
	for i, claim := range g.cfg.Claims {
		secret, encoded, _ := strings.Cut(claim, ".")
		fingerprint, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil || len(fingerprint) != sha256.Size || secret == "" {
			return fmt.Errorf("claim code %d is not <secret>.<fingerprint>", i+1)
		}
		if i == 0 {
			g.fingerprint = fingerprint
		} else if !bytes.Equal(fingerprint, g.fingerprint) {
			return fmt.Errorf("claim code %d is of another jurisdiction than the first", i+1)
		}
		g.device = &device{secret: secret, begun: new(begun)}
		if err := g.letIn(ctx, func() error { return g.enrol(ctx, i == 0) }); err != nil {
			return fmt.Errorf("claim code %d cannot be used: %w", i+1, err)
		}
		g.devices = append(g.devices, g.device)
	}
	if len(g.devices) == 0 {
		return errors.New("no claim code")
	}
	return nil
}

// letIn makes an attempt again as long as the gateway says that it is one too many for now.
func (g *gatewayRun) letIn(ctx context.Context, attempt func() error) error {
	for {
		err := attempt()
		var busy *notNow
		if !errors.As(err, &busy) || !pause(ctx, busy.after) {
			return err
		}
		g.begun.spend(time.Now())
		if len(g.devices) > 0 {
			g.device = g.freshest()
		}
	}
}

func letIn(do check[*gatewayRun]) check[*gatewayRun] {
	return func(ctx context.Context, g *gatewayRun) error {
		return g.letIn(ctx, func() error { return do(ctx, g) })
	}
}

// freshest is the device that may begin the most sessions.
func (g *gatewayRun) freshest() *device {
	now := time.Now()
	return slices.MaxFunc(g.devices, func(a, b *device) int { return cmp.Compare(a.begun.refill(now), b.begun.refill(now)) })
}

// enrol makes a key and uses the device's claim code; the first time after a request that must not use it up.
func (g *gatewayRun) enrol(ctx context.Context, first bool) error {
	if first {
		g.enrolment = g.badRequestFirst(ctx)
		if busy := (*notNow)(nil); errors.As(g.enrolment, &busy) {
			return g.enrolment
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := certificateRequest(key)
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
	answer, err := await[*lockwirev1.EnrollResponse](p, p.patience)
	if err != nil {
		return err
	}
	if err := p.ends(); err != nil && g.enrolment == nil {
		g.enrolment = fmt.Errorf("after EnrollResponse %w", err)
	}
	g.name = answer.GetDeviceId()
	return g.adopt(key, answer.GetCertificateChain(), answer.GetRoots())
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
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: cfg, NetDialer: new(net.Dialer)}).DialContext(ctx, "tcp", g.cfg.Address)
	if err != nil {
		return nil, err
	}
	return newPeer(conn.(*tls.Conn), g.cfg.Patience), nil
}

func (g *gatewayRun) dialEnrol(ctx context.Context) (*peer, error) {
	return g.dial(ctx, g.tls(wire.ALPNEnroll))
}

// connect is a connection with the device's certificate, before Hello: the beginning of a session, when it may begin one.
func (g *gatewayRun) connect(ctx context.Context, protocols ...string) (*peer, error) {
	if !pause(ctx, g.begun.take(time.Now())) {
		return nil, ctx.Err()
	}
	return g.open(ctx, protocols...)
}

// open connects without regard to how often it may.
func (g *gatewayRun) open(ctx context.Context, protocols ...string) (*peer, error) {
	if len(protocols) == 0 {
		protocols = []string{wire.ALPNSession}
	}
	cfg := g.tls(protocols...)
	cfg.Certificates = []tls.Certificate{g.cert}
	return g.dial(ctx, cfg)
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
		welcome, err := await[*lockwirev1.Welcome](p, p.patience)
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
