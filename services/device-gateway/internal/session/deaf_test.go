package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"go.opentelemetry.io/otel/trace/noop"
)

// A lock that asks and reads nothing is not read from either: the gateway keeps one answer of it, and ends the session when that makes
// no progress.
func TestADeafLockIsNotListenedTo(t *testing.T) {
	config := selfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe() // which buffers nothing
		const device = "device_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
		key := []byte{1}
		hub := NewHub(Config{
			Copy: oneDevice{device: access.Device{ID: device, Org: "org", Door: "door", KeyHash: key}}, Journal: emptyJournal{},
			Now: time.Now, Tracer: noop.NewTracerProvider(), Logger: slog.New(slog.DiscardHandler),
			Endpoints: func(region.ID) []*lockwirev1.Endpoint { return nil },
		})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			hub.Serve(t.Context(), tls.Server(server, config), enroll.Identity{Device: device, Org: "org", KeyHash: key})
		}()
		lock := tls.Client(client, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		w := wire.NewWriter(lock)
		if err := w.Write(&lockwirev1.Hello{DeviceId: device, BootEpoch: 1, Versions: []uint32{1}}); err != nil {
			t.Fatal(err)
		}
		if m, err := wire.NewReader(lock, wire.Limits{}).Next(); err != nil {
			t.Fatal(m, err)
		}
		var taken atomic.Int64
		stopped := make(chan error, 1)
		go func() {
			for {
				if err := w.Write(&lockwirev1.Ping{Nonce: 1}); err != nil {
					stopped <- err
					return
				}
				taken.Add(1)
			}
		}()
		synctest.Wait()
		if n := taken.Load(); n < 1 || n > 2 {
			t.Errorf("the gateway took %d questions of a lock that does not read", n)
		}
		began := time.Now()
		<-ended
		if took := time.Since(began); took > writeTimeout+lingerTime || hub.Sessions() != 0 {
			t.Errorf("%s later there are %d sessions", took, hub.Sessions())
		}
		if err := <-stopped; err == nil || taken.Load() > 2 {
			t.Errorf("%d questions were taken", taken.Load())
		}
	})
}

// oneDevice is a copy that knows one device.
type oneDevice struct {
	Copy
	device access.Device
}

func (c oneDevice) Device(string) (access.Device, bool, bool) { return c.device, true, false }
func (oneDevice) HeldOpenAfter(string, string) time.Duration  { return 0 }
func (oneDevice) Ready() bool                                 { return true }
func (oneDevice) Standing(context.Context, access.Device, time.Time) (access.Standing, bool) {
	return access.Standing{}, false
}

// emptyJournal has no events.
type emptyJournal struct{ Journal }

func (emptyJournal) Durable(string, uint64, uint64) uint64 { return 0 }

// selfSigned is a server without tickets: nobody would read them.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, SessionTicketsDisabled: true}
}
