package gateway_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// place is one region with a real database, a real broker and the facts of one organization with one door.
type place struct {
	t        *testing.T
	mesh     *rpctest.Mesh
	broker   *bustest.Server  // one region's; nil where there are several
	several  *bustest.Regions // several regions', as deployed
	targets  []region.Name    // whose buckets facts are written to
	bus      *bus.Bus         // permissions'
	identity *bus.Bus         // identity's
	database *dbtest.Database
	db       *database.DB
	root     *pki.Authority
	state    *keyring.Ring
	tel      *telemetry.Telemetry
	listen   string       // where a gateway listens for locks
	ahead    atomic.Int64 // what the gateway's clock is ahead, in nanoseconds

	org, site, door, person, card, grant region.ID
	key                                  [32]byte // the organization's digest key
	keyID                                region.ID
	version                              int64
}

var badge = locksim.Wiegand26(17, 4711)

const (
	home      = region.Name("eu-central")
	neighbour = region.Name("eu-west")
)

func newPlace(t *testing.T) *place {
	t.Helper()
	t.Parallel()
	p := &place{t: t, mesh: rpctest.New(t), broker: bustest.Start(t), targets: []region.Name{home}}
	p.bus = p.broker.Connect(t)
	p.identity = p.bus
	return p.set()
}

// newPlaces is a place in a jurisdiction of two regions.
func newPlaces(t *testing.T) *place {
	t.Helper()
	t.Parallel()
	p := &place{t: t, mesh: rpctest.New(t), targets: []region.Name{home, neighbour}}
	p.several = bustest.StartRegions(t, p.mesh.Regions)
	for _, name := range p.targets {
		b := p.several.Connect(t, name, gateway.Service)
		p.must(b.EnsureStreams(p.soon()))
		p.must(b.EnsureBuckets(p.soon()))
	}
	p.bus, p.identity = p.several.Connect(t, home, "permissions"), p.several.Connect(t, home, "identity")
	return p.set()
}

func (p *place) set() *place {
	p.t.Helper()
	p.database = dbtest.Make(p.t, dbtest.Options{Schema: gateway.Schema, Sets: gateway.Migrations()})
	p.tel, p.db = telemetry.Discard(), p.database.DB
	var err error
	p.root, err = pki.NewRoot("device root", time.Now().Add(24*365*time.Hour))
	p.must(err)
	p.state, err = keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	p.must(err)
	id := func(kind region.Kind) region.ID { return region.NewID(kind, "euc") }
	p.org, p.site, p.door, p.person = id(region.Organization), id(region.Site), id(region.Door), id(region.Person)
	p.card, p.grant = id(region.Credential), id(region.Grant)
	p.facts()
	return p
}

func (p *place) brokerOf(name region.Name) bus.Config {
	if p.several != nil {
		return p.several.Config(p.t, name, gateway.Service)
	}
	return p.broker.Config()
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) soon() context.Context {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	p.t.Cleanup(cancel)
	return ctx
}

// facts is the least state in which the badge opens the door.
func (p *place) facts() {
	p.key, p.keyID = [32]byte{7}, region.NewID(region.DigestKey, "euc")
	wrapped, by := p.state.Seal(p.key[:], credential.DigestKeyContext(string(p.org), string(p.keyID)))
	p.put(outbox.OrgKey(p.org, "digest_key", p.keyID), &identityv1.DigestKeyState{Wrapped: wrapped, WrappingKeyId: by})
	p.carries(p.card, p.person, badge)
	p.put(outbox.SiteKey(p.org, p.site, "door", p.door), &permissionsv1.DoorState{TimeZone: "Europe/Berlin", UnlockFor: durationpb.New(3 * time.Second)})
	p.put(outbox.SiteKey(p.org, p.site, "grant", p.grant), &permissionsv1.GrantState{SubjectId: string(p.person), TargetId: string(p.door)})
}

// carries gives a person a card.
func (p *place) carries(card, person region.ID, number *lockwirev1.Card) {
	p.t.Helper()
	digest := credential.Digest(p.key, credential.KindCard, credential.FormatWiegand26, number.GetBitLength(), number.GetBits())
	p.put(outbox.OrgKey(p.org, "credential", card), &identityv1.CredentialState{
		PersonId: string(person), Digests: []*identityv1.CredentialDigest{{KeyId: string(p.keyID), Digest: digest[:]}},
	})
}

// put writes a fact as permissions' or identity's relay would, and the head behind it.
func (p *place) put(key string, m proto.Message) {
	p.t.Helper()
	body, err := proto.Marshal(m)
	p.must(err)
	p.version++
	p.write(key, &typev1.StateRecord{Version: p.version, Body: body})
}

// remove ends a fact and returns the commit that did.
func (p *place) remove(key string) *typev1.ConsistencyToken {
	p.t.Helper()
	p.version++
	p.write(key, &typev1.StateRecord{Version: p.version, Removed: true})
	return &typev1.ConsistencyToken{Service: "permissions", Region: string(home), OrgId: string(p.org), Version: p.version}
}

func (p *place) write(key string, record *typev1.StateRecord) {
	p.t.Helper()
	for _, target := range p.targets {
		bucket := bus.AccessBucket(target, 0)
		owner := p.bus
		if strings.Contains(key, ".org.digest_key.") || strings.Contains(key, ".org.credential.") {
			owner = p.identity
		}
		p.must(owner.PutState(p.soon(), target, bucket, key, record))
		p.must(p.bus.PutState(p.soon(), target, bucket, outbox.HeadKey(p.org, "permissions", home), &typev1.StateRecord{Version: p.version}))
	}
}

// running is a gateway that runs.
type running struct {
	*gateway.Instance
	place  *place
	broker *bus.Bus // the gateway's own connection
	locks  string
	url    string
	stop   func()
}

// start runs a gateway at home on a state folder; an empty one is a new gateway.
func (p *place) start(dir string, change ...func(*gateway.Parts)) *running {
	p.t.Helper()
	return p.startIn(home, dir, change...)
}

func (p *place) startIn(name region.Name, dir string, change ...func(*gateway.Parts)) *running {
	p.t.Helper()
	if dir == "" {
		dir = p.t.TempDir()
	}
	l, err := net.Listen("tcp", cmp.Or(p.listen, "127.0.0.1:0"))
	p.must(err)
	answers, err := keyring.New([]keyring.Key{{ID: "answer-1", Secret: [32]byte{2}}})
	p.must(err)
	broker := p.brokerOf(name)
	broker.Tracer = p.tel.Tracer
	connection, err := bus.Connect(p.t.Context(), broker)
	p.must(err)
	parts := gateway.Parts{
		Region: p.mesh.Region(p.t, name), Regions: p.mesh.Regions, Telemetry: p.tel, DB: p.db, Broker: connection,
		Dialer: p.mesh.Dialer(p.t, gateway.Service, name), State: p.state, Answers: answers, DeviceRoot: p.root, StateDir: dir,
		Endpoints: map[region.Name]string{name: l.Addr().String()}, StateBound: 1500 * time.Millisecond, // a busy machine
		Now: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
	}
	for _, c := range change {
		c(&parts)
	}
	g, err := gateway.New(parts)
	p.must(err)
	server := p.mesh.Serve(p.t, g.Server(p.mesh.Config(p.t, gateway.Service, name)), g.Mount)
	ctx, cancel := context.WithCancel(context.Background())
	var parts_ sync.WaitGroup
	parts_.Go(func() {
		if err := g.ServeLocks(ctx, l); err != nil {
			p.t.Errorf("locks: %v", err)
		}
	})
	parts_.Go(func() { g.Relay.Run(ctx) })
	stop := sync.OnceFunc(func() {
		server.Stop()
		cancel()
		parts_.Wait()
		g.Close()
		connection.Close()
	})
	p.t.Cleanup(stop)
	return &running{Instance: g, place: p, broker: connection, locks: l.Addr().String(), url: server.URL, stop: stop}
}

// client calls the gateway as the organization's key with permissions.
func (r *running) client(permissions ...string) gatewayv1connect.GatewayServiceClient {
	return r.as(r.place.org, permissions...)
}

func (r *running) as(org region.ID, permissions ...string) gatewayv1connect.GatewayServiceClient {
	out := r.place.mesh.Public(r.place.mesh.Key(org, permissions...))
	return gatewayv1connect.NewGatewayServiceClient(out.HTTPClient(), r.url, out.Options()...)
}

// service calls the gateway as another service of the mesh.
func (r *running) service(name string) gatewayv1connect.GatewayServiceClient {
	d := r.place.mesh.Dialer(r.place.t, name, home)
	return gatewayv1connect.NewGatewayServiceClient(d.HTTPClient(gateway.Service), d.URL(gateway.Service, home), d.Options()...)
}

var createKey atomic.Int64

// device makes a device at the door.
func (r *running) device() *gatewayv1.CreateDeviceResponse {
	r.place.t.Helper()
	out, err := r.client("devices.write").CreateDevice(r.place.soon(), &gatewayv1.CreateDeviceRequest{
		OrgId: string(r.place.org), DoorId: string(r.place.door), IdempotencyKey: fmt.Sprint("key-", createKey.Add(1)),
	})
	r.place.must(err)
	return out
}

// lock makes a device, enrols a lock as it and waits for its session.
func (r *running) lock() *locksim.Lock {
	r.place.t.Helper()
	l, _ := r.enrolled()
	r.place.must(l.WaitOpen(r.place.soon()))
	return l
}

func (r *running) enrolled() (*locksim.Lock, locksim.Store) {
	r.place.t.Helper()
	store := r.enroll()
	return r.place.boot(store), store
}

// enroll makes a device and gives a lock's store its identity; nothing runs yet.
func (r *running) enroll() locksim.Store {
	r.place.t.Helper()
	store := new(locksim.Memory)
	_, err := locksim.Enroll(r.place.soon(), store, r.locks, r.device().GetClaimCode())
	r.place.must(err)
	return store
}

// boot runs a lock until the test ends.
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

// events consumes the region's stream from its start.
type events struct {
	mu   sync.Mutex
	seen map[string]*typev1.Event
	// order is that of the first sightings, as a ledger keeps it.
	order []string
	more  chan struct{}
}

func (p *place) events() *events {
	e := &events{seen: map[string]*typev1.Event{}, more: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.bus.Consume(ctx, bus.Consumer{Durable: fmt.Sprint("test-", createKey.Add(1))}, func(_ context.Context, ev *typev1.Event) error {
			e.mu.Lock()
			if e.seen[ev.GetId()] == nil {
				e.order = append(e.order, ev.GetId())
			}
			e.seen[ev.GetId()] = ev
			e.mu.Unlock()
			select {
			case e.more <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	p.t.Cleanup(func() { cancel(); <-done })
	return e
}

// await waits for one event, as long as others come.
func (e *events) await(t *testing.T, id string) *typev1.Event {
	t.Helper()
	for {
		e.mu.Lock()
		ev := e.seen[id]
		e.mu.Unlock()
		if ev != nil {
			return ev
		}
		select {
		case <-e.more:
		case <-time.After(20 * time.Second):
			t.Fatalf("event %s did not come", id)
		}
	}
}

func (e *events) ofKind(kind string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, ev := range e.seen {
		if ev.GetKind() == kind {
			n++
		}
	}
	return n
}

// awaitBroker waits until the facts' writer reaches the broker again.
func (p *place) awaitBroker() {
	p.t.Helper()
	p.must(p.bus.EnsureBuckets(p.soon()))
}

// eventually polls, for states that nothing signals.
func (p *place) eventually(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not in time: %s", what)
		}
	}
}
