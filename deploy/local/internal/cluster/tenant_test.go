package cluster_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cardea-mesh/cardea/deploy/local/internal/cluster"
	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const (
	euCentral = region.Name("eu-central")
	euWest    = region.Name("eu-west")
	usEast    = region.Name("us-east")
)

// tenant is an organization of eu-central with a door there and one in us-east, on a running cluster. It keeps account of
// every swipe, so that each can be asked of the ledgers. Its methods end the test when a call fails.
type tenant struct {
	t       *testing.T // the test that runs now
	cluster *cluster.Cluster
	http    *http.Client
	bearer  string

	org, door, usDoor string
	staff             string   // a group that may open both doors
	person            person   // in staff
	leaver            person   // in staff, until their card is revoked
	people            []person // all that were made
	lock, usLock      *lock

	mu     sync.Mutex
	swipes map[region.Name]map[string]int
	grants map[string]int // made in eu-central, once each
}

// person is somebody with a card.
type person struct {
	id, name, email string
	card            []byte
	credential      string // the card's id
}

// lock is a simulated lock that is switched on.
type lock struct {
	*locksim.Lock
	home  region.Name
	store locksim.Store
	off   func()
}

func newTenant(t *testing.T, c *cluster.Cluster) *tenant {
	pem, err := os.ReadFile(c.CAFile())
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	n := &tenant{
		t: t, cluster: c, bearer: c.OperatorKey(), swipes: map[region.Name]map[string]int{euCentral: {}, usEast: {}}, grants: map[string]int{},
		http: &http.Client{Timeout: 70 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true,
		}},
	}
	made, err := n.identity(euCentral).CreateOrganization(t.Context(), &identityv1.CreateOrganizationRequest{
		Region: string(euCentral), Slug: "acme-faults", IdempotencyKey: rand.Text(),
	})
	must(t, err)
	n.org, n.bearer = made.Organization.Id, made.ApiKey
	n.door, n.lock = n.newDoor(euCentral)
	n.person = n.newPerson("Wenzeslaus Überacker-Faults", "wenzeslaus.faults@people.example")
	group, err := n.permissions(euCentral).CreateGroup(t.Context(), &permissionsv1.CreateGroupRequest{
		OrgId: n.org, Region: string(euCentral), Name: "staff", IdempotencyKey: rand.Text(),
	})
	must(t, err)
	n.staff = group.GroupId
	n.leaver = n.newPerson("Leocadia Fortgang-Faults", "leocadia.faults@people.example")
	n.addMember(n.person)
	n.addMember(n.leaver)
	n.mustBeEnforced(n.grant(euCentral, n.door, n.staff))
	n.usDoor, n.usLock = n.newDoor(usEast)
	n.grant(usEast, n.usDoor, n.staff)
	n.swipeUntil(n.usLock, n.leaver, true)
	n.swipeUntil(n.usLock, n.person, true) // the membership and the card's digest come over the border
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newDoor makes a site with a door, and switches its lock on.
func (n *tenant) newDoor(in region.Name) (string, *lock) {
	n.t.Helper()
	site, err := n.permissions(in).CreateSite(n.t.Context(), &permissionsv1.CreateSiteRequest{
		OrgId: n.org, Region: string(in), Name: "office", TimeZone: "Europe/Madrid", IdempotencyKey: rand.Text(),
	})
	must(n.t, err)
	door, err := n.permissions(in).CreateDoor(n.t.Context(), &permissionsv1.CreateDoorRequest{
		OrgId: n.org, SiteId: site.SiteId, Name: "front", IdempotencyKey: rand.Text(),
	})
	must(n.t, err)
	device, err := n.gateway(in).CreateDevice(n.t.Context(), &gatewayv1.CreateDeviceRequest{
		OrgId: n.org, DoorId: door.DoorId, IdempotencyKey: rand.Text(),
	})
	must(n.t, err)
	dir := n.cluster.LockDir(filepath.Base(door.DoorId))
	must(n.t, os.MkdirAll(dir, 0o700))
	store := locksim.Dir(dir)
	_, err = locksim.Enroll(n.t.Context(), store, n.cluster.LockEndpoint(in), device.ClaimCode)
	must(n.t, err)
	return door.DoorId, n.switchOn(store, in)
}

// switchOn boots a lock from its flash and waits for its session.
func (n *tenant) switchOn(store locksim.Store, home region.Name) *lock {
	n.t.Helper()
	sim, err := locksim.Open(locksim.Config{
		Store: store, BackoffMin: 50 * time.Millisecond, BackoffMax: 500 * time.Millisecond, RefusedWait: 100 * time.Millisecond,
	})
	must(n.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sim.Run(ctx)
	}()
	l := &lock{Lock: sim, home: home, store: store, off: sync.OnceFunc(func() { cancel(); <-ended })}
	n.wait(20*time.Second, sim.WaitOpen)
	return l
}

// lockHome boots the lock in eu-central again, so that it dials its own region first.
func (n *tenant) lockHome() {
	n.t.Helper()
	n.lock.off()
	n.lock = n.switchOn(n.lock.store, euCentral)
}

// wait calls one of a lock's waits.
func (n *tenant) wait(limit time.Duration, forIt func(context.Context) error) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), limit)
	defer cancel()
	must(n.t, forIt(ctx))
}

// newPerson makes a person with a card that every gateway knows.
func (n *tenant) newPerson(name, email string) person {
	n.t.Helper()
	made, err := n.identity(euCentral).CreatePerson(n.t.Context(), &identityv1.CreatePersonRequest{
		OrgId: n.org, Region: string(euCentral), IdempotencyKey: rand.Text(), Fields: &identityv1.PersonalFields{Name: name, Email: email},
	})
	must(n.t, err)
	p := person{id: made.PersonId, name: name, email: email, card: make([]byte, 7)}
	rand.Read(p.card) // never fails
	issued, err := n.identity(euCentral).IssueCredential(n.t.Context(), &identityv1.IssueCredentialRequest{
		OrgId: n.org, PersonId: p.id, IdempotencyKey: rand.Text(),
		Card: &identityv1.CardNumber{Format: "uid", BitLength: uint32(8 * len(p.card)), Bits: p.card},
	})
	must(n.t, err)
	n.mustBeEnforced(issued.Token)
	p.credential = issued.Credential.Id
	n.people = append(n.people, p)
	return p
}

func (n *tenant) addMember(p person) *typev1.ConsistencyToken {
	n.t.Helper()
	added, err := n.permissions(euCentral).AddMember(n.t.Context(), &permissionsv1.AddMemberRequest{OrgId: n.org, GroupId: n.staff, MemberId: p.id})
	must(n.t, err)
	return added.Token
}

func (n *tenant) removeMember(p person) *typev1.ConsistencyToken {
	n.t.Helper()
	removed, err := n.permissions(euCentral).RemoveMember(n.t.Context(), &permissionsv1.RemoveMemberRequest{OrgId: n.org, GroupId: n.staff, MemberId: p.id})
	must(n.t, err)
	return removed.Token
}

// revokeCard ends a person's card.
func (n *tenant) revokeCard(p person) *typev1.ConsistencyToken {
	n.t.Helper()
	revoked, err := n.identity(euCentral).RevokeCredential(n.t.Context(), &identityv1.RevokeCredentialRequest{OrgId: n.org, CredentialId: p.credential})
	must(n.t, err)
	return revoked.Token
}

// grant asks the service of a region for a grant.
func (n *tenant) grant(at region.Name, door, subject string) *typev1.ConsistencyToken {
	n.t.Helper()
	made, err := n.permissions(at).Grant(n.t.Context(), grantRequest(n.org, door, subject, rand.Text()))
	must(n.t, err)
	n.note(made)
	return made.Token
}

// note keeps account of a grant in eu-central, which may have been answered before.
func (n *tenant) note(made *permissionsv1.GrantResponse) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if strings.HasPrefix(made.GrantId, "grant_euc_") {
		n.grants[made.GrantId] = 1
	}
}

func grantRequest(org, door, subject, key string) *permissionsv1.GrantRequest {
	return &permissionsv1.GrantRequest{OrgId: org, TargetId: door, SubjectId: subject, IdempotencyKey: key}
}

// enforced asks the service of a region whether a commit is enforced, and gives it a time.
func (n *tenant) enforced(at region.Name, token *typev1.ConsistencyToken, within time.Duration) *permissionsv1.WaitEnforcedResponse {
	n.t.Helper()
	wait, err := n.permissions(at).WaitEnforced(n.t.Context(), &permissionsv1.WaitEnforcedRequest{
		OrgId: n.org, Region: token.Region, Token: token, Timeout: durationpb.New(within),
	})
	must(n.t, err)
	return wait
}

func (n *tenant) mustBeEnforced(token *typev1.ConsistencyToken) {
	n.t.Helper()
	if wait := n.enforced(region.Name(token.Region), token, 20*time.Second); !wait.Enforced {
		n.t.Fatalf("not enforced: %v", wait)
	}
}

// swipe presents a card once.
func (n *tenant) swipe(l *lock, p person) locksim.Result {
	got := l.Present(context.Background(), &lockwirev1.Card{
		Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(p.card)), Bits: p.card,
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.swipes[l.home][fmt.Sprintf("%s.%d.%d", l.DeviceID(), got.Epoch, got.Sequence)]++
	return got
}

// mustOpen swipes once: the door opens.
func (n *tenant) mustOpen(l *lock, p person) {
	n.t.Helper()
	if got := n.swipe(l, p); !got.Granted {
		n.t.Fatalf("the door stays shut: %+v (the lock's last error: %v)", got, l.LastError())
	}
}

// mustStayShut swipes after an answer that said enforced.
func (n *tenant) mustStayShut(l *lock, p person) {
	n.t.Helper()
	if got := n.swipe(l, p); got.Granted {
		n.t.Fatalf("the door opens after the revocation was answered as enforced: %+v", got)
	}
}

// swipeUntil swipes until the door opens, or until somebody decides that it does not.
func (n *tenant) swipeUntil(l *lock, p person, opens bool) {
	n.t.Helper()
	n.eventually(20*time.Second, fmt.Sprintf("a swipe with granted=%t", opens), func() error {
		if got := n.swipe(l, p); !got.Answered || got.Granted != opens {
			return fmt.Errorf("%+v (the lock's last error: %v)", got, l.LastError())
		}
		return nil
	})
}

// eventually tries until it works.
func (n *tenant) eventually(limit time.Duration, what string, try func() error) {
	n.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ledger reads the access events of a region, asking the service of another or the same one: by id, the gateway that took it.
func (n *tenant) ledger(at, of region.Name) (count map[string]int, gateways map[string]string, err error) {
	count, gateways = map[string]int{}, map[string]string{}
	for token := ""; ; {
		page, err := n.audit(at).QueryEvents(n.t.Context(), &auditv1.QueryEventsRequest{
			OrgId: n.org, Region: string(of), Kind: "access", PageSize: 1000, PageToken: token,
		})
		if err != nil {
			return nil, nil, err
		}
		for _, e := range page.Events {
			taken := new(gatewayv1.LockEvent)
			if err := proto.Unmarshal(e.Event.Payload, taken); err != nil {
				return nil, nil, err
			}
			count[e.Event.Id]++
			gateways[e.Event.Id] = taken.GatewayId
		}
		if token = page.NextPageToken; token == "" {
			return count, gateways, nil
		}
	}
}

// everySwipeOnce waits until the ledgers hold exactly what happened.
func (n *tenant) everySwipeOnce() {
	n.t.Helper()
	for _, of := range []region.Name{euCentral, usEast} {
		n.eventually(30*time.Second, "every swipe once in the ledger of "+string(of), func() error {
			held, _, err := n.ledger(of, of)
			if err != nil {
				return err
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			if !maps.Equal(held, n.swipes[of]) {
				return fmt.Errorf("%d of %d", len(held), len(n.swipes[of]))
			}
			return nil
		})
	}
}

func (n *tenant) options() connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+n.bearer)
			return next(ctx, req)
		}
	}))
}

func (n *tenant) identity(at region.Name) identityv1connect.IdentityServiceClient {
	return identityv1connect.NewIdentityServiceClient(n.http, n.cluster.URL("identity", at), n.options())
}

func (n *tenant) permissions(at region.Name) permissionsv1connect.PermissionsServiceClient {
	return permissionsv1connect.NewPermissionsServiceClient(n.http, n.cluster.URL("permissions", at), n.options())
}

func (n *tenant) gateway(at region.Name) gatewayv1connect.GatewayServiceClient {
	return gatewayv1connect.NewGatewayServiceClient(n.http, n.cluster.URL("device-gateway", at), n.options())
}

func (n *tenant) audit(at region.Name) auditv1connect.AuditServiceClient {
	return auditv1connect.NewAuditServiceClient(n.http, n.cluster.URL("audit", at), n.options())
}
