package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockport"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// place is a gateway with everything real but the broker and the database: the access state comes from a fake source, the
// journal delivers to a fake broker.
type place struct {
	t         testing.TB
	root      *pki.Authority
	authority *enroll.Authority
	regions   *region.Map
	ring      *keyring.Ring
	source    *source
	broker    *broker
	copy      *access.Copy
	hub       *session.Hub
	enroller  *enroller
	table     *table
	address   string
	now       atomic.Int64 // what the gateway's clock is ahead, in nanoseconds

	org, site, door, person, card, group, grant string
	digestKey                                   [32]byte
	digestKeyID                                 string
	vmu                                         sync.Mutex
	version                                     int64 // guarded by vmu
}

var badge = locksim.Wiegand26(17, 4711)

func newPlace(t testing.TB, change ...func(*session.Config)) *place {
	t.Helper()
	p := &place{t: t, source: newSource(), broker: &broker{}}
	var err error
	p.regions, err = region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euw", Jurisdiction: "eu"},
	})
	p.must(err)
	p.ring, err = keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	p.must(err)
	p.root, err = pki.NewRoot("device root", time.Now().Add(24*365*time.Hour))
	p.must(err)
	p.authority = enroll.NewAuthority(p.root)
	id := func(kind region.Kind) string { return string(region.NewID(kind, "euc")) }
	p.org, p.site, p.door, p.person = id(region.Organization), id(region.Site), id(region.Door), id(region.Person)
	p.card, p.group, p.grant, p.digestKeyID = id(region.Credential), id(region.Group), id(region.Grant), id(region.DigestKey)
	p.digestKey = [32]byte{7}
	p.start(change...)
	p.facts()
	p.source.caughtUp()
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) clock() time.Time { return time.Now().Add(time.Duration(p.now.Load())) }

// start runs the parts until the test ends.
func (p *place) start(change ...func(*session.Config)) {
	dir, logger := p.t.TempDir(), slog.New(slog.NewTextHandler(p.t.Output(), nil))
	var err error
	p.copy, err = access.Open(access.Config{
		Dir: filepath.Join(dir, "access"), Ring: p.ring, Regions: p.regions, Now: p.clock, Logger: logger,
		OnApplied: func([]access.Head) {}, OnDeviceChanged: func(id string, now access.Device) { p.hub.DeviceChanged(id, now) },
		OnDoorRule: func(r access.DoorRule) { p.hub.DoorRuleChanged(r) },
	})
	p.must(err)
	j, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal"), Publish: p.broker.publish, Logger: logger, Retry: 10 * time.Millisecond})
	p.must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	p.address = l.Addr().String()
	host, portText, _ := net.SplitHostPort(p.address)
	port, _ := strconv.Atoi(portText)
	endpoints := func(region.ID) []*lockwirev1.Endpoint {
		return []*lockwirev1.Endpoint{{Host: host, Port: uint32(port)}}
	}
	cfg := session.Config{
		Copy: p.copy, Journal: j, Maker: lockevent.New(p.ring, p.regions, region.NewID(region.Gateway, "euc"), logger),
		Now: p.clock, Tracer: noop.NewTracerProvider(), Logger: logger, Endpoints: endpoints, KnownTimeout: 200 * time.Millisecond,
	}
	for _, c := range change {
		c(&cfg)
	}
	desk := p.desk()
	cfg.Renewals = desk
	p.hub = session.NewHub(cfg)
	p.enroller = &enroller{place: p, secrets: map[enroll.Secret]bool{}}
	certificate, err := enroll.NewServerCertificate(p.authority, time.Now)
	p.must(err)
	listener := lockport.New(lockport.Config{
		Authority: p.authority, Certificate: certificate, Regions: p.regions, Sessions: p.hub, Enroller: p.enroller,
		Endpoints: endpoints, Now: p.clock, Logger: logger,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { p.copy.Run(ctx, p.source) })
	parts.Go(func() { j.Run(ctx) })
	parts.Go(func() { desk.Run(ctx) })
	parts.Go(func() { p.hub.Run(ctx) })
	parts.Go(func() { listener.Serve(ctx, l) })
	p.t.Cleanup(func() { cancel(); parts.Wait() })
}

// facts is the least state in which the badge opens the door.
func (p *place) facts() {
	wrapped, keyID := p.ring.Seal(p.digestKey[:], credential.DigestKeyContext(p.org, p.digestKeyID))
	p.put(p.org+".org.digest_key."+p.digestKeyID, &identityv1.DigestKeyState{Wrapped: wrapped, WrappingKeyId: keyID})
	digest := credential.Digest(p.digestKey, credential.KindCard, credential.FormatWiegand26, badge.GetBitLength(), badge.GetBits())
	p.put(p.org+".org.credential."+p.card, &identityv1.CredentialState{
		PersonId: p.person, Digests: []*identityv1.CredentialDigest{{KeyId: p.digestKeyID, Digest: digest[:]}},
	})
	p.put(p.org+".org.membership."+p.group+"-"+p.person, &permissionsv1.MembershipState{GroupId: p.group, MemberId: p.person})
	p.put(p.siteKey("door", p.door), &permissionsv1.DoorState{TimeZone: "Europe/Berlin", UnlockFor: durationpb.New(3 * time.Second)})
	p.put(p.siteKey("grant", p.grant), &permissionsv1.GrantState{SubjectId: p.group, TargetId: p.door})
	p.put(p.org+".head.permissions.eu-central", nil)
}

func (p *place) siteKey(kind, id string) string {
	return p.org + ".site." + p.site + "." + kind + "." + id
}

func (p *place) put(key string, m proto.Message) {
	p.t.Helper()
	p.vmu.Lock()
	defer p.vmu.Unlock()
	p.version++
	var body []byte
	if m != nil {
		var err error
		body, err = proto.Marshal(m)
		p.must(err)
	}
	p.source.put(key, &typev1.StateRecord{Version: p.version, Body: body})
}

func (p *place) remove(key string) {
	p.vmu.Lock()
	defer p.vmu.Unlock()
	p.version++
	p.source.put(key, &typev1.StateRecord{Version: p.version, Removed: true})
}

// claim makes a claim code.
func (p *place) claim() string {
	secret := enroll.NewSecret("euc")
	p.enroller.mu.Lock()
	defer p.enroller.mu.Unlock()
	p.enroller.secrets[secret] = true
	return secret.Code(p.authority.Fingerprint())
}

// lock enrols a lock and runs it until the test ends.
func (p *place) lock(change ...func(*locksim.Config)) *locksim.Lock {
	p.t.Helper()
	store := new(locksim.Memory)
	_, err := locksim.Enroll(p.t.Context(), store, p.address, p.claim())
	p.must(err)
	return p.boot(store, change...)
}

func (p *place) boot(store locksim.Store, change ...func(*locksim.Config)) *locksim.Lock {
	p.t.Helper()
	cfg := locksim.Config{Store: store, BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	l, err := locksim.Open(cfg)
	p.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	p.t.Cleanup(func() { cancel(); <-done })
	return l
}

// openLock is a lock with an open session.
func (p *place) openLock(change ...func(*locksim.Config)) *locksim.Lock {
	p.t.Helper()
	l := p.lock(change...)
	p.must(l.WaitOpen(p.soon()))
	return l
}

// soon is a context for things that happen at once.
func (p *place) soon() context.Context {
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	p.t.Cleanup(cancel)
	return ctx
}

// raw is a connection of an enrolled device without a client on it.
type raw struct {
	*tls.Conn
	device string
	cert   tls.Certificate
	w      *wire.Writer
	r      *wire.Reader
	acked  *lockwirev1.EventAck // the last one; of one boot epoch
}

// identity makes a device that is known, and its certificate.
func (p *place) identity(ttl time.Duration) (string, tls.Certificate) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.must(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	p.must(err)
	request, err := enroll.ParseRequest(csr)
	p.must(err)
	device := region.NewID(region.Device, "euc")
	der, err := p.authority.SignDevice(request, device, region.ID(p.org), ttl)
	p.must(err)
	p.put(p.siteKey("device", string(device)), &gatewayv1.DeviceState{DoorId: p.door, PublicKeySha256: request.KeyHash()})
	return string(device), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (p *place) dial() *raw {
	p.t.Helper()
	device, cert := p.identity(time.Hour)
	return p.dialAs(device, cert)
}

func (p *place) dialAs(device string, cert tls.Certificate) *raw {
	p.t.Helper()
	conn, err := tls.Dial("tcp", p.address, p.clientTLS(cert, wire.ALPNSession))
	p.must(err)
	p.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &raw{Conn: conn, device: device, cert: cert, w: wire.NewWriter(conn), r: wire.NewReader(conn, wire.Limits{Joined: 1 << 20})}
}

func (p *place) clientTLS(cert tls.Certificate, protocol string) *tls.Config {
	return &tls.Config{ServerName: enroll.ServerName, RootCAs: p.authority.Pool(), Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}}
}

func (r *raw) hello() *lockwirev1.Hello {
	return &lockwirev1.Hello{DeviceId: r.device, BootEpoch: 1, Versions: []uint32{1}}
}

// open sends Hello and returns Welcome.
func (p *place) open(r *raw) *lockwirev1.Welcome {
	p.t.Helper()
	p.must(r.w.Write(r.hello()))
	m, err := r.r.Next()
	p.must(err)
	w, ok := m.(*lockwirev1.Welcome)
	if !ok {
		p.t.Fatalf("answer to Hello: %T %v", m, m)
	}
	return w
}

// expectError reads until an Error and then the end of the connection.
func (p *place) expectError(r *raw, code lockwirev1.ErrorCode) *lockwirev1.Error {
	p.t.Helper()
	for {
		m, err := r.r.Next()
		if err != nil {
			p.t.Fatalf("wanted %s, got %v", code, err)
		}
		e, ok := m.(*lockwirev1.Error)
		if !ok {
			continue
		}
		if e.GetCode() != code {
			p.t.Fatalf("wanted %s, got %s: %s", code, e.GetCode(), e.GetText())
		}
		if _, err := r.r.Next(); err != io.EOF {
			p.t.Fatalf("after the Error: %v, wanted the end", err)
		}
		return e
	}
}

// enroller gives every claim that it knows a certificate, once.
type enroller struct {
	place   *place
	mu      sync.Mutex
	secrets map[enroll.Secret]bool
}

func (e *enroller) Enroll(_ context.Context, secret enroll.Secret, r enroll.Request) (region.ID, []byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.secrets[secret] {
		return "", nil, enroll.ErrClaimRefused
	}
	delete(e.secrets, secret)
	device := region.NewID(region.Device, "euc")
	der, err := e.place.authority.SignDevice(r, device, region.ID(e.place.org), time.Hour)
	if err != nil {
		return "", nil, err
	}
	e.place.put(e.place.siteKey("device", string(device)), &gatewayv1.DeviceState{DoorId: e.place.door, PublicKeySha256: r.KeyHash()})
	return device, der, nil
}

// source is a fake of the region's bucket.
type source struct {
	updates chan bus.Update
	caught  chan struct{}
}

func newSource() *source {
	return &source{updates: make(chan bus.Update, 100), caught: make(chan struct{}, 1)}
}

func (s *source) put(key string, record *typev1.StateRecord) {
	s.updates <- bus.Update{Key: key, Record: record, Incarnation: "1"}
}

// caughtUp marks the end of the first load, after all puts so far.
func (s *source) caughtUp() { s.updates <- bus.Update{} }

func (s *source) WatchState(ctx context.Context, onUpdate func(bus.Update), onCaughtUp func(string)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-s.updates:
			if u.Record == nil {
				onCaughtUp("1")
			} else {
				onUpdate(u)
			}
		}
	}
}

func (s *source) Connected() bool { return true }

// broker is a fake of the region's event stream.
type broker struct {
	mu     sync.Mutex
	down   bool
	events []*typev1.Event
}

func (b *broker) publish(_ context.Context, e *typev1.Event) (func(context.Context) error, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errors.New("down")
	}
	b.events = append(b.events, e)
	return func(context.Context) error { return nil }, nil
}

func (b *broker) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// once returns each event once, as a consumer keeps them, and checks that doubles are alike.
func (b *broker) once(t testing.TB) map[string]*gatewayv1.LockEvent {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]*gatewayv1.LockEvent{}
	for _, e := range b.events {
		m := new(gatewayv1.LockEvent)
		if err := proto.Unmarshal(e.GetPayload(), m); err != nil {
			t.Fatal(err)
		}
		all[e.GetId()] = m
	}
	return all
}

func eventID(device string, epoch, sequence uint64) string {
	return fmt.Sprintf("%s.%d.%d", device, epoch, sequence)
}
