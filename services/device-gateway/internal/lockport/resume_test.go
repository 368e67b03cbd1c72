package lockport

import (
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// resumable is a client that keeps its ticket.
func (o *open) resumable(ttl time.Duration) *tls.Config {
	c := o.client(o.device(o.authority, region.NewID(region.Device, "euc"), ttl))
	c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return c
}

func (o *open) expect(config *tls.Config, first string) {
	o.t.Helper()
	conn, got, err := o.session("127.0.0.1", config)
	must(o.t, err)
	conn.Close()
	if got != first {
		o.t.Fatalf("the session said %q, want %q", got, first)
	}
}

func TestALockResumes(t *testing.T) {
	o := newOpen(t)
	config := o.resumable(time.Hour)
	o.expect(config, ".")
	o.expect(config, "!")
	o.expect(config, "!")
	o.expect(newOpenWith(t, o).resumable(time.Hour), ".") // a gateway that knows no ticket
}

// newOpenWith is another gateway of the same root.
func newOpenWith(t testing.TB, o *open) *open {
	other := newOpen(t, func(c *Config) { c.Authority = o.authority })
	other.authority = o.authority
	return other
}

// A ticket does not outlive the certificate that it stands for.
func TestAnExpiredCertificateIsNotResumed(t *testing.T) {
	o := newOpen(t)
	config := o.resumable(time.Hour)
	o.expect(config, ".")
	o.ahead.Store(int64(2 * time.Hour))
	if _, said, err := o.session("127.0.0.1", config); err == nil || !strings.Contains(err.Error(), "expired certificate") {
		t.Fatalf("an expired certificate: %q, %v", said, err)
	}
	if n := o.served.Load(); n != 1 {
		t.Fatalf("%d sessions", n)
	}
}

// Ticket keys are replaced each day, and an old ticket costs a whole handshake, nothing else.
func TestOldTicketsAreNotTaken(t *testing.T) {
	o := newOpen(t)
	config := o.resumable(30 * 24 * time.Hour)
	o.expect(config, ".")
	o.ahead.Store(int64(8 * 24 * time.Hour))
	o.expect(config, ".")
	o.expect(config, "!")
}

// A root that is not trusted any more takes its devices' tickets with it.
func TestARootThatIsGoneTakesItsTickets(t *testing.T) {
	o := newOpen(t)
	config := o.resumable(time.Hour)
	o.expect(config, ".")
	stranger := newOpen(t)
	raw := stranger.client(config.Certificates[0])
	raw.ClientSessionCache = config.ClientSessionCache
	raw.RootCAs = stranger.authority.Pool()
	if _, said, err := stranger.session("127.0.0.1", raw); err == nil {
		t.Fatalf("another root's gateway said %q", said)
	}
}

// BenchmarkHandshake measures the CPU time of both sides of a handshake. RUSAGE_THREAD, since the machine's noise is not in it.
func BenchmarkHandshake(b *testing.B) {
	o := newOpen(b)
	for _, c := range []struct {
		name   string
		config *tls.Config
	}{{"full", o.lock()}, {"resumed", o.resumable(time.Hour)}} {
		conn, _, err := o.session("127.0.0.1", c.config)
		must(b, err)
		conn.Close()
		b.Run(c.name, func(b *testing.B) {
			var both [2]time.Duration
			for b.Loop() {
				o.handshakeCost(c.config, &both)
			}
			b.ReportMetric(float64(both[0].Microseconds())/float64(b.N), "gateway-us/op")
			b.ReportMetric(float64(both[1].Microseconds())/float64(b.N), "lock-us/op")
		})
	}
}

// handshakeCost adds the CPU time of one handshake, the ticket's delivery included.
func (o *open) handshakeCost(config *tls.Config, both *[2]time.Duration) {
	server, client := net.Pipe()
	done := make(chan time.Duration)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		began := threadTime()
		conn := tls.Server(server, o.port.tls)
		if err := conn.Handshake(); err != nil {
			o.t.Error(err)
			return
		}
		conn.Write([]byte("."))
		done <- threadTime() - began
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	conn := tls.Client(client, config)
	must(o.t, conn.Handshake())
	_, err := conn.Read(make([]byte, 1))
	must(o.t, err)
	both[1] += threadTime() - began
	both[0] += <-done
	client.Close()
	server.Close()
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(1, &u) // RUSAGE_THREAD
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
