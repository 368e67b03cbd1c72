package lockport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// open is a port that runs. Its sessions say one byte, `!` for a resumed TLS session and `.` for another, and echo.
type open struct {
	t         testing.TB
	port      *Port
	address   string
	root      *pki.Authority
	authority *enroll.Authority
	ahead     atomic.Int64 // what the port's clock is ahead
	resumed   atomic.Int64
	served    atomic.Int64
}

func newOpen(t testing.TB, change ...func(*Config)) *open {
	t.Helper()
	root, err := pki.NewRoot("device root", time.Now().Add(24*365*time.Hour))
	must(t, err)
	regions, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	must(t, err)
	o := &open{t: t, root: root, authority: enroll.NewAuthority(root)}
	certificate, err := enroll.NewServerCertificate(o.authority, time.Now)
	must(t, err)
	cfg := Config{
		Authority: o.authority, Certificate: certificate, Regions: regions, Sessions: o, Enroller: o,
		Endpoints: func(region.ID) []*lockwirev1.Endpoint { return nil },
		Now:       func() time.Time { return time.Now().Add(time.Duration(o.ahead.Load())) }, Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	o.port = New(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	o.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); o.port.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	return o
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Serve implements Sessions.
func (o *open) Serve(_ context.Context, conn *tls.Conn, _ enroll.Identity) {
	defer conn.Close()
	o.served.Add(1)
	said := "."
	if conn.ConnectionState().DidResume {
		o.resumed.Add(1)
		said = "!"
	}
	if _, err := io.WriteString(conn, said); err == nil {
		io.Copy(conn, conn)
	}
}

// Stop implements Sessions.
func (o *open) Stop(context.Context) {}

// Enroll implements Enroller: it knows no claim code.
func (o *open) Enroll(context.Context, enroll.Secret, enroll.Request) (region.ID, []byte, error) {
	return "", nil, enroll.ErrClaimRefused
}

// device is a certificate of a root.
func (o *open) device(authority *enroll.Authority, id region.ID, ttl time.Duration) tls.Certificate {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(o.t, err)
	der, err := authority.SignDevice(o.request(key), id, region.NewID(region.Organization, "euc"), ttl)
	must(o.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (o *open) request(key *ecdsa.PrivateKey) enroll.Request {
	o.t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "lock"}}, key)
	must(o.t, err)
	request, err := enroll.ParseRequest(csr)
	must(o.t, err)
	return request
}

func (o *open) lock() *tls.Config {
	o.t.Helper()
	return o.client(o.device(o.authority, region.NewID(region.Device, "euc"), time.Hour))
}

func (o *open) client(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: enroll.ServerName, RootCAs: o.authority.Pool(), NextProtos: []string{wire.ALPNSession},
		Certificates: []tls.Certificate{cert},
	}
}

// dial connects from a loopback address.
func (o *open) dial(from string) net.Conn {
	o.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	conn, err := d.Dial("tcp", o.address)
	must(o.t, err)
	o.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// session opens a session and returns what it said first.
func (o *open) session(from string, config *tls.Config) (*tls.Conn, string, error) {
	o.t.Helper()
	conn := tls.Client(o.dial(from), config)
	first := make([]byte, 1)
	if err := conn.Handshake(); err != nil {
		return conn, "", err
	}
	_, err := io.ReadFull(conn, first)
	return conn, string(first), err
}
