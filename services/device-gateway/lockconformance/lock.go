package lockconformance

import (
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
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/pki"
)

// LockConfig says where to wait for the lock under test.
type LockConfig struct {
	// Listener is where the lock shall dial. Required.
	Listener net.Listener
	// Operator is required.
	Operator Operator
	// Only are the rules to look at; none: all.
	Only []string
	// Image is firmware of the lock's maker that the lock takes, and its version; none: rules that need it are skipped.
	Image        []byte
	ImageVersion string
	// Patience is how long something is waited for that has to come; default 30 s.
	Patience time.Duration
	// Out gets a line for each rule; default none.
	Out io.Writer
}

// deviceID is the id that the lock under test gets.
const deviceID = "device_conformance_1"

// lockRun is a gateway that nobody would want, in front of one lock.
type lockRun struct {
	cfg  LockConfig
	root *pki.Authority
	cert tls.Certificate
	// stray is a gateway's certificate that the lock must not take: of another root, or another name.
	strayRoot, strayName tls.Certificate
	// pinned and enrolled are what came of R-ENROLL-1 and R-ENROLL-2; again is what the lock did with the code that it had used.
	pinned, enrolled error
	again            again
	// hello is the newest that came.
	hello *lockwirev1.Hello
	// card is what the operator presents, once it was seen.
	card *lockwirev1.Card
	// version counts bundles and revocations.
	version uint64
}

// Lock looks whether a lock keeps the rules of PROTOCOL.md that bind it. Its error: nothing could be looked at.
func Lock(ctx context.Context, cfg LockConfig) (Report, error) {
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	cfg.Patience = cmp.Or(cfg.Patience, defaultPatience)
	if err := known(cfg.Only); err != nil {
		return nil, err
	}
	l := &lockRun{cfg: cfg}
	if err := l.makeCertificates(); err != nil {
		return nil, err
	}
	if err := l.enrol(ctx); err != nil {
		return nil, fmt.Errorf("the lock does not enrol: %w", err)
	}
	// Its first session shows that it runs, so that an operator can do something with it.
	p, err := l.first(ctx)
	if err != nil {
		if l.again.refused() > 0 && ctx.Err() == nil { // it is known why
			report := l.again.amend(cfg.Out, nil, err)
			report.Print(cfg.Out)
			return report, nil
		}
		return nil, fmt.Errorf("the lock opens no session: %w", err)
	}
	p.bye()
	var report Report
	for _, r := range catalogue() {
		switch {
		case len(cfg.Only) > 0 && !slices.Contains(cfg.Only, r.name):
		case r.lock != nil:
			report = append(report, perform(ctx, cfg.Out, l, r.name, onceMore(r.lock)))
		default:
			report = append(report, passOver(cfg.Out, r.name, cmp.Or(r.lockNote, "it binds the gateway")))
		}
	}
	report = l.again.amend(cfg.Out, report, nil)
	report.Print(cfg.Out)
	return report, ctx.Err()
}

// onceMore makes a check again whose connection broke: a lock leaves a gateway that has not answered for 3 s (R-DEAD-1), and on a slow
// machine this may be one.
func onceMore(do check[*lockRun]) check[*lockRun] {
	return func(ctx context.Context, l *lockRun) error {
		var err error
		for try := range 3 {
			if err = do(ctx, l); !broke(err) {
				return tried(err, try)
			}
		}
		return err
	}
}

func (l *lockRun) makeCertificates() error {
	end := time.Now().Add(24 * time.Hour * 365)
	stray, err := pki.NewRoot("another root", end)
	if err != nil {
		return err
	}
	if l.root, err = pki.NewRoot("conformance root", end); err != nil {
		return err
	}
	for into, of := range map[*tls.Certificate]struct {
		root *pki.Authority
		name string
	}{&l.cert: {l.root, serverName}, &l.strayRoot: {stray, serverName}, &l.strayName: {l.root, "other.cardea"}} {
		pair, err := of.root.IssueServer(of.name)
		if err != nil {
			return err
		}
		if *into, err = pair.TLS(); err != nil {
			return err
		}
		into.Certificate = append(into.Certificate[:1:1], of.root.Certificate().Raw)
	}
	return nil
}

// enrol gives the lock a code whose root is not shown, which must not get its secret, and then a right one.
func (l *lockRun) enrol(ctx context.Context) error {
	fingerprint := l.root.Fingerprint()
	code := "conformance." + base64.RawURLEncoding.EncodeToString(fingerprint[:])
	p, err := l.enrolling(ctx, code, l.strayRoot)
	if errors.Is(err, ErrCannot) {
		return err
	}
	if err == nil { // else it ended the handshake
		if m, err := p.next(p.patience); err == nil {
			l.pinned = fmt.Errorf("it sends %s to a server that does not show the root", name(m))
		}
		p.cut()
	}
	if p, err = l.enrolling(ctx, code, l.cert); err != nil {
		return err
	}
	defer p.close()
	if got := p.conn.ConnectionState().NegotiatedProtocol; got != wire.ALPNEnroll {
		return fmt.Errorf("it offers %q", got)
	}
	request, err := await[*lockwirev1.EnrollRequest](p, p.patience)
	if err != nil {
		return err
	}
	if request.GetClaimSecret() != "conformance" {
		l.enrolled = fmt.Errorf("it sends %q as the secret", request.GetClaimSecret())
	}
	csr, err := x509.ParseCertificateRequest(request.GetCertificateRequest())
	if err != nil {
		return err
	}
	if key, ok := csr.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() || csr.SignatureAlgorithm != x509.ECDSAWithSHA256 || csr.CheckSignature() != nil {
		l.enrolled = errors.New("its certificate request is not P-256, ECDSA with SHA-256")
	}
	der, err := l.root.SignDevice(csr, deviceID, "organization_conformance", 24*time.Hour*365)
	if err != nil {
		return err
	}
	return p.send(&lockwirev1.EnrollResponse{
		DeviceId: deviceID, CertificateChain: [][]byte{der}, Roots: [][]byte{l.root.Certificate().Raw}, ServerTimeMs: nowMS(),
	})
}

// enrolling has the operator enrol the lock, and is the connection that comes of it.
func (l *lockRun) enrolling(ctx context.Context, code string, cert tls.Certificate) (*peer, error) {
	acting, stop := context.WithCancel(ctx)
	defer stop()
	waiting, give := context.WithCancelCause(ctx)
	defer give(nil)
	go func() {
		if err := l.cfg.Operator.Enrol(acting, l.cfg.Listener.Addr().String(), code); err != nil && acting.Err() == nil {
			give(err)
		}
	}()
	p, err := l.accept(waiting, cert)
	if err != nil && waiting.Err() != nil {
		err = context.Cause(waiting)
	}
	return p, err
}

func nowMS() uint64 { return uint64(time.Now().UnixMilli()) }

// accept is the lock's next connection, after the handshake.
func (l *lockRun) accept(ctx context.Context, cert tls.Certificate) (*peer, error) {
	stop := context.AfterFunc(ctx, func() {
		if d, ok := l.cfg.Listener.(interface{ SetDeadline(time.Time) error }); ok {
			d.SetDeadline(time.Now())
		}
	})
	defer stop()
	if d, ok := l.cfg.Listener.(interface{ SetDeadline(time.Time) error }); ok && ctx.Err() == nil {
		d.SetDeadline(time.Time{}) // that of a rule whose time was over
	}
	raw, err := l.cfg.Listener.Accept()
	if err != nil {
		return nil, fmt.Errorf("the lock does not dial: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(l.root.Certificate())
	session := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{wire.ALPNSession}, Certificates: []tls.Certificate{cert},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, SessionTicketsDisabled: true,
	}
	enrolling := session.Clone()
	enrolling.NextProtos, enrolling.ClientAuth = []string{wire.ALPNEnroll}, tls.NoClientCert
	conn := tls.Server(raw, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, p := range h.SupportedProtos {
			if p == wire.ALPNSession {
				return session, nil
			}
		}
		return enrolling, nil
	}})
	handshake, cancel := context.WithTimeout(ctx, l.cfg.Patience)
	defer cancel()
	if err := conn.HandshakeContext(handshake); err != nil {
		raw.Close()
		return nil, err
	}
	return newPeer(conn, l.cfg.Patience), nil
}

// greeted is the lock's next session up to its Hello.
func (l *lockRun) greeted(ctx context.Context) (*peer, error) {
	for {
		p, err := l.accept(ctx, l.cert)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			continue // e.g. one that only looks whether somebody is there
		}
		if p.conn.ConnectionState().NegotiatedProtocol == wire.ALPNEnroll {
			l.again.refuse(p)
			continue
		}
		m, err := p.next(p.patience)
		if err != nil {
			p.cut()
			continue
		}
		hello, ok := m.(*lockwirev1.Hello)
		if !ok {
			return nil, fmt.Errorf("its first message is %s", name(m))
		}
		l.hello, l.again.open = hello, true
		return p, nil
	}
}

func welcome() *lockwirev1.Welcome {
	id := make([]byte, 16)
	rand.Read(id) // never fails
	return &lockwirev1.Welcome{
		Session: id, ServerTimeMs: nowMS(), HeartbeatMs: 30_000, Version: 1, EventCredit: 4, AccessCredit: 4,
	}
}

// session is the lock's next session, open.
func (l *lockRun) session(ctx context.Context, change func(*lockwirev1.Welcome)) (*peer, error) {
	p, err := l.greeted(ctx)
	if err != nil {
		return nil, err
	}
	w := welcome()
	change(w)
	return p, p.send(w)
}

// bye asks the lock to come again at once.
func (p *peer) bye() {
	if p.send(&lockwirev1.GoAway{WithinMs: 200}) == nil {
		p.ends()
	}
	p.cut()
}

// inLock runs something in a session.
func inLock(do func(ctx context.Context, l *lockRun, p *peer) error) check[*lockRun] {
	return func(ctx context.Context, l *lockRun) error {
		p, err := l.session(ctx, func(*lockwirev1.Welcome) {})
		if err != nil {
			return err
		}
		defer p.bye()
		return do(ctx, l, p)
	}
}

// lockRefuses: what is sent in a session gets an Error, and the end.
func lockRefuses(want lockwirev1.ErrorCode, send func(p *peer) error) check[*lockRun] {
	return inLock(func(_ context.Context, _ *lockRun, p *peer) error {
		if err := send(p); err != nil {
			return err
		}
		return p.refused(want)
	})
}

// identity looks whether Hello has the id that the certificate names.
func (l *lockRun) identity() error {
	if l.hello == nil {
		return skip("no Hello came")
	}
	if l.hello.GetDeviceId() != deviceID {
		return fmt.Errorf("device_id is %q", l.hello.GetDeviceId())
	}
	return nil
}

// can says whether the lock named a capability.
func (l *lockRun) can(capability string) error {
	for _, c := range l.hello.GetCapabilities() {
		if c == capability {
			return nil
		}
	}
	return skip("the lock does not name `" + capability + "`")
}

func sum(b []byte) []byte { h := sha256.Sum256(b); return h[:] }
