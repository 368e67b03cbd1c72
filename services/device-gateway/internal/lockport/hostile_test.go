package lockport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// An address that holds all the handshakes it may have keeps no other address out.
func TestSlowHandshakesDoNotKeepOthersOut(t *testing.T) {
	o := newOpen(t, func(c *Config) { c.MaxHandshakes, c.MaxHandshakesPerAddress = 16, 8 })
	for range 40 { // 8 begin, 32 wait
		o.dial("127.0.0.9").Write([]byte{22, 3, 1}) // the beginning of a ClientHello
	}
	conn, _, err := o.session("127.0.0.2", o.lock())
	must(t, err)
	conn.Close()
}

// However many come and say nothing, so many are under way, so many wait, and the others are closed.
func TestSilentPeersAreBounded(t *testing.T) {
	const handshakes, waiting, more = 4, 6, 20
	o := newOpen(t, func(c *Config) {
		c.MaxHandshakes, c.MaxHandshakesPerAddress, c.MaxWaiting = handshakes, handshakes, waiting
	})
	conns := make([]net.Conn, handshakes+waiting+more)
	for i := range conns {
		conns[i] = o.dial(fmt.Sprint("127.0.3.", i+1))
		p := o.port.places
		p.mu.Lock()
		if p.handshakes > handshakes || p.waiting > waiting || p.open > handshakes+waiting {
			t.Errorf("%d handshakes are under way, %d connections wait, %d are open", p.handshakes, p.waiting, p.open)
		}
		p.mu.Unlock()
	}
	if _, err := conns[len(conns)-1].Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the last one was not closed: %v", err)
	}
}

// Nothing is computed for a lock that gave up while it waited for its turn.
func TestWhoGaveUpInLineCostsNoHandshake(t *testing.T) {
	var failed atomic.Int64
	o := newOpen(t, func(c *Config) {
		c.MaxHandshakes, c.Logger = 1, slog.New(counting{slog.DiscardHandler, "a lock's handshake failed", &failed})
	})
	first := o.dial("127.0.0.9")
	for i := range 20 {
		impatient := o.dial(fmt.Sprint("127.0.2.", i+1))
		impatient.Write([]byte{22, 3, 1})
		impatient.Close()
	}
	waits := make(chan error, 1)
	go func() {
		conn, _, err := o.session("127.0.0.2", o.lock())
		conn.Close()
		waits <- err
	}()
	o.inLine("127.0.0.2") // and so are those before it
	first.Close()
	must(t, <-waits)
	if n := failed.Load(); n != 1 { // the first one's
		t.Fatalf("%d handshakes were begun in vain", n-1)
	}
}

// inLine waits until a connection from an address has come to its port.
func (o *open) inLine(from string) {
	o.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		o.port.places.mu.Lock()
		_, here := o.port.places.byAddress[netip.MustParseAddr(from)]
		o.port.places.mu.Unlock()
		if here {
			return
		}
		if time.Now().After(end) {
			o.t.Fatalf("nobody came from %s", from)
		}
	}
}

// counting counts a message of a log.
type counting struct {
	slog.Handler
	message string
	n       *atomic.Int64
}

// Enabled implements slog.Handler.
func (counting) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (c counting) Handle(_ context.Context, r slog.Record) error {
	if r.Message == c.message {
		c.n.Add(1)
	}
	return nil
}

// While handshakes are many, a peer that says nothing loses its place in patience, and those who wait get theirs.
func TestSilentPeersLoseTheirPlaces(t *testing.T) {
	o := newOpen(t, func(c *Config) { c.MaxHandshakes, c.MaxHandshakesPerAddress = 8, 2 })
	for i := range 4 {
		for range 2 {
			o.dial(fmt.Sprint("127.0.1.", i+1)).Write([]byte{22, 3, 1})
		}
	}
	began := time.Now()
	conn, _, err := o.session("127.0.0.2", o.lock())
	must(t, err)
	conn.Close()
	if took := time.Since(began); took > handshakeTimeout-time.Second {
		t.Fatalf("it took %s", took)
	}
}

// A handshake reads a bounded number of bytes.
func TestAHandshakeOfManyBytesEnds(t *testing.T) {
	o := newOpen(t)
	conn := o.dial("127.0.0.1")
	record := append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 1<<14)...)
	record[5] = 1                                   // ClientHello
	record[6], record[7], record[8] = 0, 0xff, 0xff // of 65,535 bytes
	var err error
	for sent := 0; err == nil && sent < 1<<20; {
		var n int
		n, err = conn.Write(record)
		sent += n
		if sent > unknownBytes+len(record) {
			conn.SetReadDeadline(time.Now().Add(3 * time.Second))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, net.ErrClosed) || isTimeout(err) {
				t.Fatalf("after %d bytes the gateway still listens: %v", sent, err)
			}
			return
		}
	}
}

// A stranger's certificate is answered alike whether it names a device that exists or not.
func TestAStrangerLearnsNothing(t *testing.T) {
	o := newOpen(t)
	root, err := pki.NewRoot("another root", time.Now().Add(time.Hour))
	must(t, err)
	stranger := enroll.NewAuthority(root)
	var answers []string
	for range 2 {
		config := o.client(o.device(stranger, region.NewID(region.Device, "euc"), time.Hour))
		_, _, err := o.session("127.0.0.1", config)
		answers = append(answers, fmt.Sprint(err))
	}
	if answers[0] != answers[1] || o.served.Load() != 0 {
		t.Fatalf("%q", answers)
	}
}

func TestTooManyEnrolmentsAreToldWhenToComeBack(t *testing.T) {
	o := newOpen(t, func(c *Config) { c.MaxEnrolments = 2 })
	csr := []byte{1}
	for i, want := range []lockwirev1.ErrorCode{
		lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST, lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST, lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT,
	} {
		config := &tls.Config{ServerName: enroll.ServerName, RootCAs: o.authority.Pool(), NextProtos: []string{wire.ALPNEnroll}}
		conn := tls.Client(o.dial("127.0.0.1"), config)
		must(t, wire.NewWriter(conn).Write(&lockwirev1.EnrollRequest{ClaimSecret: "euc-x", CertificateRequest: csr}))
		m, err := wire.NewReader(conn, wire.Limits{}).Next()
		must(t, err)
		e, ok := m.(*lockwirev1.Error)
		if !ok || e.GetCode() != want || (want == lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT) != (e.GetRetryAfterMs() > 0) {
			t.Fatalf("enrolment %d: %v", i, m)
		}
	}
}

// TestHostilePeersCostABoundedAmount holds the memory of peers that begin something and do not end it, and what other locks notice.
func TestHostilePeersCostABoundedAmount(t *testing.T) {
	const peers = 400
	o := newOpen(t, func(c *Config) { c.MaxHandshakes, c.MaxHandshakesPerAddress = 10_000, 10_000 })
	lock, _, err := o.session("127.0.0.2", o.lock())
	must(t, err)
	calm := asked(t, lock)
	for _, kind := range []struct {
		name  string
		most  int
		begin func(net.Conn)
	}{
		{"says nothing", 16 << 10, func(net.Conn) {}},
		{"half a ClientHello", 24 << 10, func(c net.Conn) { c.Write(append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 200)...)) }},
		{"a whole ClientHello, then nothing", 96 << 10, func(c net.Conn) {
			conn := tls.Client(unwritten{Conn: c, writes: new(int)}, o.client(tls.Certificate{}))
			go conn.Handshake()
		}},
	} {
		before := inUse()
		for range peers {
			kind.begin(o.dial("127.0.0.9"))
		}
		time.Sleep(300 * time.Millisecond) // they cannot tell when they wait
		each := (inUse() - before) / peers
		loaded := asked(t, lock)
		t.Logf("%s: %d bytes for a peer (both ends); p99 of a lock's exchange %s, %s without", kind.name, each, loaded, calm)
		if each > kind.most {
			t.Errorf("%s: %d bytes are more than %d", kind.name, each, kind.most)
		}
	}
}

// unwritten lets the first record out and nothing after it.
type unwritten struct {
	net.Conn
	writes *int
}

func (u unwritten) Write(b []byte) (int, error) {
	if *u.writes++; *u.writes > 1 {
		return len(b), nil
	}
	return u.Conn.Write(b)
}

func inUse() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// asked is the p99 of a session's exchanges.
func asked(t *testing.T, conn *tls.Conn) time.Duration {
	t.Helper()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 64)
	var took []time.Duration
	for range 500 {
		began := time.Now()
		_, err := conn.Write(b)
		must(t, err)
		_, err = io.ReadFull(conn, b)
		must(t, err)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
