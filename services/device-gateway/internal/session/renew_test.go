package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/renewal"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// table is a fake of the database's part of a renewal: it keeps the current and the next key of each device.
type table struct {
	place *place
	mu    sync.Mutex
	down  bool
	keys  map[region.ID]*gatewayv1.DeviceState
}

var errDown = errors.New("the database is down")

func (x *table) set(down bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.down = down
}

func (x *table) Renew(_ context.Context, r enroll.Renewal) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.down {
		return nil, errDown
	}
	signed, err := x.place.authority.Sign(r.Request, r.Device, r.Org, time.Hour)
	if err != nil {
		return nil, err
	}
	x.keys[r.Device] = &gatewayv1.DeviceState{
		DoorId: x.place.door, PublicKeySha256: r.KeyHash, NextPublicKeySha256: r.Request.KeyHash(), NewestNotBeforeMs: uint64(signed.NotBefore.UnixMilli()),
	}
	x.place.put(x.place.siteKey("device", string(r.Device)), x.keys[r.Device])
	return signed.DER, nil
}

func (x *table) Promote(_ context.Context, _, id region.ID, keyHash []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.down {
		return errDown
	}
	x.keys[id].PublicKeySha256, x.keys[id].NextPublicKeySha256 = keyHash, nil
	x.place.put(x.place.siteKey("device", string(id)), x.keys[id])
	return nil
}

// desk renews with the place's table.
func (p *place) desk() *renewal.Desk {
	p.table = &table{place: p, keys: map[region.ID]*gatewayv1.DeviceState{}}
	return renewal.New(renewal.Config{Table: p.table, Authority: p.authority, Now: p.clock, Logger: slog.New(slog.DiscardHandler), Retry: 10 * time.Millisecond})
}

// request is a certificate request with a new key.
func (p *place) request() []byte {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.must(err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	p.must(err)
	return der
}

// answer is the next message.
func answer[M any](p *place, r *raw) M {
	p.t.Helper()
	m, err := r.r.Next()
	p.must(err)
	got, ok := m.(M)
	if !ok {
		p.t.Fatalf("got %T %v", m, m)
	}
	return got
}

func TestWelcomeSaysWhenACertificateIsDue(t *testing.T) {
	p := newPlace(t)
	device, cert := p.identity(100 * time.Hour)
	for _, c := range []struct {
		ahead time.Duration
		due   bool
	}{{0, false}, {66 * time.Hour, false}, {68 * time.Hour, true}} {
		p.now.Store(int64(c.ahead))
		w := p.open(p.dialAs(device, cert))
		if w.GetRenewCertificate() != c.due || len(w.GetCapabilities()) != 1 || w.GetCapabilities()[0] != "certificate" {
			t.Errorf("after %s: renew %v, capabilities %v", c.ahead, w.GetRenewCertificate(), w.GetCapabilities())
		}
	}
}

func TestACertificateRequestIsAnsweredByTheRules(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	p.must(r.w.Write(&lockwirev1.CertificateRequest{RequestId: 1, CertificateRequest: []byte("nonsense")}))
	if e := answer[*lockwirev1.Error](p, r); e.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST || e.GetRequestId() != 1 {
		t.Fatalf("%v", e)
	}
	p.table.set(true)
	p.must(r.w.Write(&lockwirev1.CertificateRequest{RequestId: 2, CertificateRequest: p.request()}))
	if e := answer[*lockwirev1.Error](p, r); e.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE || e.GetRequestId() != 2 || e.GetRetryAfterMs() < 5000 {
		t.Fatalf("with the database down: %v", e)
	}
	p.table.set(false)
	p.must(r.w.Write(&lockwirev1.CertificateRequest{RequestId: 3, CertificateRequest: p.request()}))
	if e := answer[*lockwirev1.Error](p, r); e.GetCode() != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE || e.GetRequestId() != 3 || e.GetRetryAfterMs() == 0 {
		t.Fatalf("at once after another: %v", e)
	}
	p.must(r.w.Write(&lockwirev1.AccessRequest{RequestId: 4, EventSequence: 1, Card: badge})) // the session goes on
	if d := answer[*lockwirev1.AccessDecision](p, r); d.GetOutcome() != lockwirev1.Outcome_OUTCOME_GRANTED {
		t.Fatalf("%v", d)
	}
	p.must(r.w.Write(&lockwirev1.CertificateRequest{RequestId: 4, CertificateRequest: p.request()}))
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_MALFORMED)
}

// While the database is down both keys open sessions; then the old one ends, with the session that it opened.
func TestBothKeysOpenUntilTheDatabaseKnows(t *testing.T) {
	p := newPlace(t)
	l := p.openLock()
	p.must(l.Renew())
	p.must(l.WaitRenewed(p.soon(), 1))
	r := p.dial()
	p.open(r)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.must(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	p.must(err)
	p.must(r.w.Write(&lockwirev1.CertificateRequest{RequestId: 1, CertificateRequest: csr}))
	renewed := answer[*lockwirev1.Certificate](p, r)
	if len(renewed.GetRoots()) != 1 || string(renewed.GetRoots()[0]) != string(p.authority.RootDER()) {
		t.Fatal("the roots are missing")
	}
	p.table.set(true)
	next := tls.Certificate{Certificate: renewed.GetCertificateChain(), PrivateKey: key}
	p.known()
	p.open(p.dialAs(r.device, next))
	old := p.dialAs(r.device, r.cert)
	p.open(old) // a lock that did not hear Welcome may go back
	p.table.set(false)
	p.expectError(old, lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED)
	refused := p.dialAs(r.device, r.cert)
	p.must(refused.w.Write(refused.hello()))
	p.expectError(refused, lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED)
	p.open(p.dialAs(r.device, next))
}

// A revoked device is refused with its old and with its new key.
func TestARevokedDeviceIsRefusedWithBothKeys(t *testing.T) {
	p := newPlace(t)
	r := p.dial()
	p.open(r)
	p.must(r.w.Write(&lockwirev1.CertificateRequest{RequestId: 1, CertificateRequest: p.request()}))
	answer[*lockwirev1.Certificate](p, r)
	p.known()
	p.remove(p.siteKey("device", r.device))
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED)
}

// A certificate that is newer than all that the copy knows is not taken for one that was replaced.
func TestANewKeyThatIsOnItsWayIsNotRefusedForGood(t *testing.T) {
	p := newPlace(t)
	device, cert := p.identity(time.Hour)
	p.put(p.siteKey("device", device), &gatewayv1.DeviceState{
		DoorId: p.door, PublicKeySha256: make([]byte, 32), NewestNotBeforeMs: uint64(time.Now().Add(-time.Hour).UnixMilli()),
	})
	p.known()
	r := p.dialAs(device, cert)
	p.must(r.w.Write(r.hello()))
	p.expectError(r, lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE)
}

// known waits until the copy has all that was put.
func (p *place) known() {
	p.t.Helper()
	door := string(region.NewID(region.Door, "euc"))
	p.put(p.siteKey("door", door), &permissionsv1.DoorState{TimeZone: "Europe/Berlin"})
	if _, ok := p.copy.WaitSite(p.soon(), p.org, door); !ok {
		p.t.Fatal("the copy does not follow")
	}
}
