package locksim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

// TestIdleLockIsSmall holds what a process of tens of thousands of locks stands on.
func TestIdleLockIsSmall(t *testing.T) {
	const locks = 200
	gateway := newQuietGateway(t)
	bare := measure(t, func() {
		for range locks {
			gateway.bare(t)
		}
	})
	whole := measure(t, func() {
		opened := make([]*Lock, locks)
		for i := range opened {
			opened[i] = gateway.lock(t, fmt.Sprint("device-", i))
		}
		for _, l := range opened {
			if err := l.WaitOpen(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	// The gateway's end is in both; a bare connection has no goroutine of its own.
	goroutines := float64(whole.goroutines-bare.goroutines) / locks
	bytes := (whole.bytes - bare.bytes) / locks
	t.Logf("an idle lock has %.2f goroutines, and %d bytes more than the %d of a bare TLS connection with its server's end",
		goroutines, bytes, bare.bytes/locks)
	if goroutines > 2 {
		t.Errorf("%.2f goroutines for an idle lock; at most 2", goroutines)
	}
	if bytes > 20<<10 {
		t.Errorf("%d bytes for an idle lock besides its connection; at most 20 KiB", bytes)
	}
}

type use struct{ goroutines, bytes int }

// measure is what is in use after do beyond what was before.
func measure(t *testing.T, do func()) use {
	t.Helper()
	before := inUse()
	do()
	after := inUse()
	return use{goroutines: after.goroutines - before.goroutines, bytes: after.bytes - before.bytes}
}

func inUse() use {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return use{goroutines: runtime.NumGoroutine(), bytes: int(m.HeapAlloc + m.StackInuse)}
}

// quietGateway welcomes every lock and says nothing more.
type quietGateway struct {
	address string
	root    *x509.Certificate
	key     *ecdsa.PrivateKey
}

func newQuietGateway(t *testing.T) *quietGateway {
	t.Helper()
	g := &quietGateway{key: freshKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "device root"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	g.root = sign(t, template, template, &g.key.PublicKey, g.key)
	server, serverDER := g.certificate(t, "gateway", serverName)
	key, err := x509.ParsePKCS8PrivateKey(server)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(g.root)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{wire.ALPNSession}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		SessionTicketsDisabled: true, Certificates: []tls.Certificate{{Certificate: [][]byte{serverDER}, PrivateKey: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	g.address = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveQuietly(conn)
		}
	}()
	return g
}

func serveQuietly(conn net.Conn) {
	defer conn.Close()
	reader := wire.NewReader(conn, wire.Limits{})
	for {
		m, err := reader.Next()
		if err != nil {
			return
		}
		if _, ok := m.(*lockwirev1.Hello); ok {
			wire.NewWriter(conn).Write(&lockwirev1.Welcome{
				Session: []byte("session-1"), ServerTimeMs: uint64(time.Now().UnixMilli()), HeartbeatMs: 60_000, Version: wire.Version,
				EventCredit: 1, AccessCredit: 1,
			})
		}
	}
}

func freshKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key *ecdsa.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// certificate is a key (PKCS #8) and the root's certificate for it.
func (g *quietGateway) certificate(t *testing.T, name, dns string) (key, der []byte) {
	t.Helper()
	private := freshKey(t)
	cert := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{dns}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, g.root, &private.PublicKey, g.key)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert.Raw
}

// lock runs a lock until the test ends.
func (g *quietGateway) lock(t *testing.T, device string) *Lock {
	t.Helper()
	key, der := g.certificate(t, device, device)
	store := new(Memory)
	f := &flash{DeviceID: device, Key: key, Chain: [][]byte{der}, Roots: [][]byte{g.root.Raw}, Bootstrap: g.address}
	if err := f.save(store, new(sync.Mutex)); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

// bare opens a TLS connection with an identity of its own until the test ends.
func (g *quietGateway) bare(t *testing.T) {
	t.Helper()
	key, der := g.certificate(t, "bare", "bare")
	private, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(g.root)
	conn, err := tls.Dial("tcp", g.address, &tls.Config{
		NextProtos: []string{wire.ALPNSession}, ServerName: serverName, RootCAs: pool, SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
}
