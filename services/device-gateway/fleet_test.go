package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim/fleet"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// neighbours are small identity, permissions and audit services: what is made with them is in the place's facts, an idempotency
// key makes one thing, and audit's ledger is what came over the region's stream, in that order.
type neighbours struct {
	place *place

	mu      sync.Mutex
	made    map[string]region.ID // guarded by mu; by idempotency key
	members []region.ID          // guarded by mu
	ledger  []string             // guarded by mu; event ids
}

type (
	identityHere struct {
		identityv1connect.UnimplementedIdentityServiceHandler
		*neighbours
	}
	permissionsHere struct {
		permissionsv1connect.UnimplementedPermissionsServiceHandler
		*neighbours
	}
	auditHere struct {
		auditv1connect.UnimplementedAuditServiceHandler
		*neighbours
	}
)

func (p *place) neighbours() (*neighbours, *httptest.Server) {
	p.t.Helper()
	n := &neighbours{place: p, made: map[string]region.ID{}}
	mux := http.NewServeMux()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(identityHere{neighbours: n}))
	mux.Handle(permissionsv1connect.NewPermissionsServiceHandler(permissionsHere{neighbours: n}))
	mux.Handle(auditv1connect.NewAuditServiceHandler(auditHere{neighbours: n}))
	server := httptest.NewServer(mux)
	p.t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.bus.Consume(ctx, bus.Consumer{Durable: "ledger"}, func(_ context.Context, e *typev1.Event) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.ledger = append(n.ledger, e.GetId())
			return nil
		})
	}()
	p.t.Cleanup(func() { cancel(); <-done })
	return n, server
}

// id is what was made under a key; first says that it was made now.
func (n *neighbours) id(kind region.Kind, key string) (id region.ID, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok := n.made[key]; ok {
		return id, false
	}
	n.made[key] = region.NewID(kind, "euc")
	return n.made[key], true
}

func (n *neighbours) count(part string) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key := range n.made {
		if strings.Contains(key, part) {
			count++
		}
	}
	return count
}

func (n permissionsHere) CreateSite(context.Context, *permissionsv1.CreateSiteRequest) (*permissionsv1.CreateSiteResponse, error) {
	return &permissionsv1.CreateSiteResponse{SiteId: string(n.place.site)}, nil
}

func (n permissionsHere) CreateGroup(_ context.Context, r *permissionsv1.CreateGroupRequest) (*permissionsv1.CreateGroupResponse, error) {
	id, _ := n.id(region.Group, r.GetIdempotencyKey())
	return &permissionsv1.CreateGroupResponse{GroupId: string(id)}, nil
}

// CreateDoor makes a door that admits the people who are members by then.
func (n permissionsHere) CreateDoor(_ context.Context, r *permissionsv1.CreateDoorRequest) (*permissionsv1.CreateDoorResponse, error) {
	p := n.place
	id, first := n.id(region.Door, r.GetIdempotencyKey())
	if !first {
		return &permissionsv1.CreateDoorResponse{DoorId: string(id)}, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p.put(outbox.SiteKey(p.org, p.site, "door", id), &permissionsv1.DoorState{TimeZone: "UTC"})
	for _, member := range n.members {
		grant := region.NewID(region.Grant, "euc")
		p.put(outbox.SiteKey(p.org, p.site, "grant", grant), &permissionsv1.GrantState{SubjectId: string(member), TargetId: string(id)})
	}
	return &permissionsv1.CreateDoorResponse{DoorId: string(id)}, nil
}

func (n permissionsHere) CreateZone(_ context.Context, r *permissionsv1.CreateZoneRequest) (*permissionsv1.CreateZoneResponse, error) {
	id, _ := n.id(region.Zone, r.GetIdempotencyKey())
	return &permissionsv1.CreateZoneResponse{ZoneId: string(id)}, nil
}

func (n permissionsHere) Grant(_ context.Context, r *permissionsv1.GrantRequest) (*permissionsv1.GrantResponse, error) {
	id, _ := n.id(region.Grant, r.GetIdempotencyKey())
	return &permissionsv1.GrantResponse{GrantId: string(id)}, nil
}

func (n permissionsHere) AddMember(_ context.Context, r *permissionsv1.AddMemberRequest) (*permissionsv1.AddMemberResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members = append(n.members, region.ID(r.GetMemberId()))
	return &permissionsv1.AddMemberResponse{}, nil
}

func (n identityHere) CreatePerson(_ context.Context, r *identityv1.CreatePersonRequest) (*identityv1.CreatePersonResponse, error) {
	id, _ := n.id(region.Person, r.GetIdempotencyKey())
	return &identityv1.CreatePersonResponse{PersonId: string(id)}, nil
}

func (n identityHere) IssueCredential(_ context.Context, r *identityv1.IssueCredentialRequest) (*identityv1.IssueCredentialResponse, error) {
	id, first := n.id(region.Credential, r.GetIdempotencyKey())
	if first {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.place.carriesUID(id, region.ID(r.GetPersonId()), r.GetCard())
	}
	return &identityv1.IssueCredentialResponse{Credential: &identityv1.Credential{Id: string(id)}}, nil
}

// carriesUID gives a person a card of whole bytes.
func (p *place) carriesUID(card, person region.ID, number *identityv1.CardNumber) {
	digest := credential.Digest(p.key, credential.KindCard, credential.FormatUID, number.GetBitLength(), number.GetBits())
	p.put(outbox.OrgKey(p.org, "credential", card), &identityv1.CredentialState{
		PersonId: string(person), Digests: []*identityv1.CredentialDigest{{KeyId: string(p.keyID), Digest: digest[:]}},
	})
}

func (n auditHere) ListEntries(_ context.Context, r *auditv1.ListEntriesRequest) (*auditv1.ListEntriesResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := &auditv1.ListEntriesResponse{Head: &auditv1.Head{Size: int64(len(n.ledger))}}
	for i := r.GetFromPosition(); i < int64(len(n.ledger)) && len(out.Entries) < 100; i++ {
		out.Entries = append(out.Entries, &auditv1.Entry{Position: i, EventId: n.ledger[i]})
	}
	return out, nil
}

// TestFleet: an interrupted provisioning goes on, fifty locks live a fast day with cuts, boots and a restart of their gateway,
// and every event that one of them was told is durable is in the ledger once and in order; then they live again in parts.
func TestFleet(t *testing.T) {
	const locks, people = 50, 10
	p := newPlace(t)
	n, server := p.neighbours()
	state := t.TempDir()
	r := p.start(state)
	p.listen = r.locks
	dir := filepath.Join(t.TempDir(), "fleet")
	key := p.mesh.Key(p.org, "devices.write")
	api := fleet.API{
		Identity: server.URL, Permissions: server.URL, Gateway: r.url, Audit: server.URL, Key: key.Reveal(), HTTP: p.mesh.Public(key).HTTPClient(),
	}
	provision := func(ctx context.Context, progress func(string, int, int)) error {
		return fleet.Provision(ctx, fleet.Provisioning{
			API: api, Dir: dir, Org: string(p.org), Region: string(home), Gateway: r.locks, Locks: locks, People: people, AtOnce: 4, Progress: progress,
		})
	}
	interrupted, interrupt := context.WithCancel(p.soon())
	err := provision(interrupted, func(what string, made, _ int) {
		if what == "lock" && made == locks/3 {
			interrupt()
		}
	})
	if some, _ := fleet.Count(dir); err == nil || some >= locks {
		t.Fatalf("the interrupted provisioning made %d locks and said %v", some, err)
	}
	p.must(provision(p.soon(), nil))
	if doors, all := n.count("-door-"), must(fleet.Count(dir))(t); doors != locks || all != locks {
		t.Fatalf("%d doors and %d locks; %d of each", doors, all, locks)
	}

	cfg := fleet.Config{
		Dir: dir, Locks: locks, Duration: 6 * time.Second, Drain: 20 * time.Second, BackoffMax: time.Second, Seed: 7,
		Speed: 3600 * 4, SwipesPerDay: 20, OfflinePerDay: 1, HalfOpenPerDay: 0.3, RebootsPerDay: 1, OfflineFor: time.Hour, Unknown: 0.1,
		Acked: filepath.Join(t.TempDir(), "acked.jsonl"),
	}
	again := make(chan *running, 1)
	time.AfterFunc(cfg.Duration/2, func() { r.stop(); again <- p.start(state) })
	status := new(strings.Builder)
	summary, err := fleet.Live(p.soon(), cfg, status)
	p.must(err)
	r = <-again
	t.Logf("%s", shape(t, summary))
	s := summary.Counts
	if s.Granted == 0 || s.Denied == 0 || s.Unanswered == 0 || s.Reboots == 0 || s.OfflineSpells == 0 || s.Errors["GO_AWAY"] == 0 {
		t.Errorf("a life in which not everything happened: %+v", s)
	}
	if summary.NotDurable != 0 || summary.MostConnected < locks/2 || summary.Answer.P50 <= 0 {
		t.Errorf("the fleet did not come to rest: %s", shape(t, summary))
	}
	if !strings.Contains(status.String(), "connected") {
		t.Errorf("no progress: %q", status)
	}
	verify := func() fleet.Findings {
		t.Helper()
		// This ledger takes event by event; one whose acknowledgement was lost comes again after the consumer's AckWait, 10 s.
		found, err := fleet.Verify(t.Context(), fleet.Verification{
			API: api, Org: string(p.org), Region: string(home), Acked: cfg.Acked, Wait: 30 * time.Second,
		})
		p.must(err)
		return found
	}
	if f := verify(); f.Missing+f.Doubled+f.OutOfOrder != 0 || f.Acknowledged != s.EventsDurable || f.Locks != locks {
		t.Errorf("%d events were acknowledged; the ledger: %+v", s.EventsDurable, f)
	}

	cfg.Duration = 2 * time.Second
	summary, err = fleet.LiveIn(p.soon(), 3, cfg, startHere, io.Discard)
	p.must(err)
	if f := verify(); summary.Processes != 3 || f.Missing+f.Doubled+f.OutOfOrder != 0 || f.Acknowledged != summary.EventsDurable || f.Locks != locks {
		t.Errorf("three parts: %s; the ledger: %+v", shape(t, summary), f)
	}
	if _, err := os.Stat(cfg.Acked + ".0"); err == nil {
		t.Error("a part's file was left")
	}
	r.stop()
}

// startHere runs a part in this process.
func startHere(cfg fleet.Config, skip uint64) (io.Reader, func(), func() error, error) {
	reports, out := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := fleet.Part(ctx, cfg, skip, out)
		out.Close()
		done <- err
	}()
	return reports, cancel, func() error { defer cancel(); return <-done }, nil
}

// shape is a summary as it is printed, once it was seen that it has what readers rely on.
func shape(t *testing.T, s fleet.Summary) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"seed", "locks", "processes", "seconds", "swipes", "granted", "denied", "unanswered", "events_written", "events_received", "events_durable", "not_durable", "errors", "answer", "reconnect", "most_connected"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("the summary has no %q: %s", name, text)
		}
	}
	return string(text)
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
