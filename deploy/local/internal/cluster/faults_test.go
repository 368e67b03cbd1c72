package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/cardea-mesh/cardea/deploy/local/internal/cluster"
	"github.com/cardea-mesh/cardea/deploy/local/internal/scan"
	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// TestFaults breaks one running system in many ways, one after the other. What the design promises of each holds while it
// is broken, all comes back, and at the end every swipe is once in its ledger and nothing personal is where it must not be.
func TestFaults(t *testing.T) {
	t.Parallel()
	state := newState(t)
	var out bytes.Buffer
	c, err := cluster.Start(t.Context(), cluster.Options{State: state}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	stop := sync.OnceValue(c.Stop)
	defer stop()
	n := newTenant(t, c)
	locksOff := func() { n.lock.off(); n.usLock.off() }
	defer locksOff()
	for _, fault := range []struct {
		name string
		play func(*tenant)
	}{
		{"nothing is broken, and a reader follows the README", walk},
		{"personal fields are sent to us-east", strayPersonalFields},
		{"the broker is killed", brokerKilled},
		{"a gateway starts without its broker", gatewayWithoutBroker},
		{"a gateway is killed with events in its journal", journalLeft},
		{"a gateway starts without its broker and database", gatewayAlone},
		{"identity is killed", identityKilled},
		{"permissions is killed", permissionsKilled},
		{"audit is killed", auditKilled},
		{"a gateway is killed", gatewayKilled},
		{"the services of us-east are killed", usKilled},
		{"the broker of us-east is killed", usBrokerKilled},
		{"the router between the brokers is killed", routerKilled},
		{"a whole region is killed", regionKilled},
		{"permissions hangs", permissionsHangs},
		{"the broker hangs", brokerHangs},
		{"PostgreSQL hangs", databaseHangs},
		{"PostgreSQL is killed in a burst of grants", databaseKilled},
		{"PostgreSQL and permissions are killed from outside, and tended", killedAndTended},
		{"one after the other is killed in a burst of grants", allKilled},
	} {
		ok := t.Run(fault.name, func(t *testing.T) {
			defer func(outer *testing.T) { n.t = outer }(n.t)
			n.t = t
			fault.play(n)
			n.everySwipeOnce()
		})
		if !ok {
			t.FailNow() // what comes after needs a whole system
		}
	}
	locksOff()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	searchStopped(t, c, n)
}

func (n *tenant) kill(program string, of region.Name) {
	n.t.Helper()
	must(n.t, n.cluster.Kill(program, string(of)))
}

func (n *tenant) restart(program string, of region.Name) {
	n.t.Helper()
	must(n.t, n.cluster.Restart(n.t.Context(), program, string(of)))
}

// strayPersonalFields: callers make mistakes. A personal call at the wrong border is refused, and what it carried, in its own
// fields or where an id belongs, is nowhere in us-east afterwards (searchStopped looks).
func strayPersonalFields(n *tenant) {
	ctx, us := n.t.Context(), n.identity(usEast)
	fields := &identityv1.PersonalFields{Name: n.person.name, Email: n.person.email}
	_, atBorder := us.CreatePerson(ctx, &identityv1.CreatePersonRequest{OrgId: n.org, Region: string(euCentral), IdempotencyKey: "1", Fields: fields})
	if connect.CodeOf(atBorder) != connect.CodeFailedPrecondition {
		n.t.Errorf("a person of eu-central made in us-east: %v", atBorder)
	}
	_, noRegion := us.CreatePerson(ctx, &identityv1.CreatePersonRequest{OrgId: n.org, Region: n.person.name, IdempotencyKey: "2", Fields: fields})
	_, noOrg := us.CreatePerson(ctx, &identityv1.CreatePersonRequest{OrgId: n.person.email, Region: string(euCentral), IdempotencyKey: "3", Fields: fields})
	_, noID := us.GetPerson(ctx, &identityv1.GetPersonRequest{OrgId: n.org, PersonId: n.person.email})
	_, noMember := n.permissions(usEast).AddMember(ctx, &permissionsv1.AddMemberRequest{OrgId: n.org, GroupId: n.staff, MemberId: n.person.email})
	_, noDoor := n.permissions(usEast).Grant(ctx, grantRequest(n.org, n.usDoor, n.person.email, "4"))
	_, noDevice := n.gateway(usEast).Unlock(ctx, &gatewayv1.UnlockRequest{OrgId: n.org, DoorId: n.person.name})
	_, noEvents := n.audit(usEast).QueryEvents(ctx, &auditv1.QueryEventsRequest{OrgId: n.org, Region: string(usEast), PersonId: n.person.email})
	for i, err := range []error{noRegion, noOrg, noID, noMember, noDoor, noDevice, noEvents} {
		if code := connect.CodeOf(err); err == nil || code == connect.CodeInternal || code == connect.CodeUnknown {
			n.t.Errorf("call %d with a personal field where another belongs: %v", i, err)
		}
	}
}

func brokerKilled(n *tenant) {
	visitor := n.newPerson("A visitor", "")
	n.kill(cluster.Broker, euCentral)
	n.mustOpen(n.lock, n.person)
	n.wait(5*time.Second, n.lock.WaitReceived)
	short, cancel := context.WithTimeout(n.t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := n.lock.WaitDurable(short); !errors.Is(err, context.DeadlineExceeded) {
		n.t.Fatalf("events are durable without a broker: %v", err)
	}
	token := n.grant(euCentral, n.door, visitor.id)
	n.mustBePending(token, euCentral)
	n.restart(cluster.Broker, euCentral)
	n.mustBeEnforced(token)
	n.mustOpen(n.lock, visitor)
	n.wait(20*time.Second, n.lock.WaitDurable)
}

// mustBePending asks at once: the commit is not enforced, and the gateway of the region is among those that wait for it.
func (n *tenant) mustBePending(token *typev1.ConsistencyToken, at region.Name) {
	n.t.Helper()
	n.mustBePendingAt(region.Name(token.GetRegion()), token, at)
}

// mustBePendingAt is mustBePending, asked of the service of another region.
func (n *tenant) mustBePendingAt(asked region.Name, token *typev1.ConsistencyToken, at region.Name) {
	n.t.Helper()
	wait := n.enforced(asked, token, 300*time.Millisecond)
	for _, g := range wait.PendingGateways {
		if !wait.Enforced && g.Region == string(at) {
			return
		}
	}
	n.t.Fatalf("want the gateway of %s pending, got %v", at, wait)
}

func gatewayWithoutBroker(n *tenant) {
	n.kill(cluster.Broker, euCentral)
	n.lock.off() // so that it does not move to the neighbour
	n.kill("device-gateway", euCentral)
	n.restart("device-gateway", euCentral)
	n.lock = n.switchOn(n.lock.store, euCentral)
	n.mustOpen(n.lock, n.person)
	n.wait(5*time.Second, n.lock.WaitReceived)
	n.restart(cluster.Broker, euCentral)
	n.wait(20*time.Second, n.lock.WaitDurable)
	n.mustBeEnforced(n.grant(euCentral, n.door, n.person.id))
}

// journalLeft: what a gateway said it has received reaches the ledger, also when the lock never comes back.
func journalLeft(n *tenant) {
	n.kill(cluster.Broker, euCentral)
	n.mustOpen(n.lock, n.person)
	n.wait(5*time.Second, n.lock.WaitReceived)
	n.lock.off()
	n.kill("device-gateway", euCentral)
	n.restart("device-gateway", euCentral)
	n.restart(cluster.Broker, euCentral)
	n.everySwipeOnce()
	n.lock = n.switchOn(n.lock.store, euCentral) // and sends it again
	n.mustOpen(n.lock, n.person)
}

// gatewayAlone: a gateway that was registered needs nothing but its files. It is not ready for calls before there is a database.
func gatewayAlone(n *tenant) {
	n.lock.off()
	n.kill("device-gateway", euCentral)
	n.kill("device-gateway", euWest)
	n.kill(cluster.Broker, euCentral)
	must(n.t, n.cluster.KillDatabase("eu"))
	ready := make(chan error, 1)
	ctx := n.t.Context()
	go func() { ready <- n.cluster.Restart(ctx, "device-gateway", string(euCentral)) }()
	n.lock = n.switchOn(n.lock.store, euCentral)
	n.mustOpen(n.lock, n.person)
	n.wait(5*time.Second, n.lock.WaitReceived)
	select {
	case err := <-ready:
		n.t.Fatalf("ready without a database (%v)", err)
	default:
	}
	must(n.t, n.cluster.StartDatabase(ctx, "eu"))
	must(n.t, <-ready)
	n.restart(cluster.Broker, euCentral)
	n.restart("device-gateway", euWest)
	n.wait(20*time.Second, n.lock.WaitDurable)
	n.mustBeEnforced(n.grant(euCentral, n.door, n.person.id))
}

func identityKilled(n *tenant) {
	n.kill("identity", euCentral)
	n.mustOpen(n.lock, n.person)
	get := func(at region.Name) error {
		got, err := n.identity(at).GetPerson(n.t.Context(), &identityv1.GetPersonRequest{OrgId: n.org, PersonId: n.person.id})
		if err == nil && got.GetFields().GetName() != n.person.name {
			err = fmt.Errorf("another person: %v", got)
		}
		return err
	}
	must(n.t, get(euWest))
	n.mustBeEnforced(n.grant(euCentral, n.door, n.person.id)) // the caller's key is asked of the neighbour
	if get(euCentral) == nil {
		n.t.Fatal("the killed service answers")
	}
	n.restart("identity", euCentral)
	must(n.t, get(euCentral))
}

func permissionsKilled(n *tenant) {
	visitor := n.newPerson("Another visitor", "")
	n.kill("permissions", euCentral)
	n.mustOpen(n.lock, n.person)
	token := n.grant(euWest, n.door, visitor.id)
	if wait := n.enforced(euWest, token, 20*time.Second); !wait.Enforced { // the neighbour's relay takes over
		n.t.Fatalf("the neighbour's grant is not enforced: %v", wait)
	}
	n.mustOpen(n.lock, visitor)
	n.restart("permissions", euCentral)
	n.mustBeEnforced(n.grant(euCentral, n.door, visitor.id))
}

func auditKilled(n *tenant) {
	n.kill("audit", euCentral)
	n.mustOpen(n.lock, n.person)
	n.wait(10*time.Second, n.lock.WaitDurable)
	if _, _, err := n.ledger(euWest, euCentral); err != nil {
		n.t.Fatalf("the neighbour does not answer for the ledger: %v", err)
	}
	n.restart("audit", euCentral)
}

// gatewayKilled swipes on while the gateway dies: whatever the lock wrote is kept, and the neighbour opens the door.
func gatewayKilled(n *tenant) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				n.swipe(n.lock, n.person)
			}
		}
	}()
	seen := n.lock.Opened()
	n.eventually(5*time.Second, "swipes", func() error {
		if n.lock.Opened() < seen+5 {
			return errors.New("too few")
		}
		return nil
	})
	n.kill("device-gateway", euCentral)
	began := time.Now()
	close(stop)
	<-stopped
	n.swipeUntil(n.lock, n.person, true)
	n.t.Logf("opened by the neighbour %s after the kill", time.Since(began))
	n.wait(20*time.Second, n.lock.WaitDurable)
	n.everySwipeOnce()
	_, gateways, err := n.ledger(euCentral, euCentral)
	must(n.t, err)
	last := n.lock.Events()[len(n.lock.Events())-1]
	if by := gateways[fmt.Sprintf("%s.%d.%d", n.lock.DeviceID(), last.Epoch, last.Sequence)]; !strings.HasPrefix(by, "gateway_euw_") {
		n.t.Fatalf("the last swipe was taken by %q", by)
	}
	n.restart("device-gateway", euCentral)
	n.mustBeEnforced(n.grant(euCentral, n.door, n.person.id))
	n.lockHome()
}

func usKilled(n *tenant) {
	guest := n.newPerson("A guest of both sides", "")
	n.addMember(guest)
	n.swipeUntil(n.usLock, guest, true)
	for _, program := range []string{"identity", "permissions", "audit"} {
		n.kill(program, usEast)
	}
	n.mustOpen(n.usLock, n.person)
	removed, revoked := n.removeMember(n.person), n.revokeCard(guest)
	n.mustBePendingIn(usEast, removed)
	n.mustBePendingIn(usEast, revoked)
	n.mustOpen(n.usLock, n.person) // so it said
	n.mustOpen(n.usLock, guest)
	for _, program := range []string{"identity", "permissions", "audit"} {
		n.restart(program, usEast)
	}
	n.mustBeEnforced(removed)
	n.mustStayShut(n.usLock, n.person)
	n.mustBeEnforced(revoked)
	n.mustStayShut(n.usLock, guest)
	n.addMember(n.person)
	n.swipeUntil(n.usLock, n.person, true)
}

// mustBePendingIn gives a commit the time that its own side needs: it is not enforced, only because of a region across the border.
func (n *tenant) mustBePendingIn(at region.Name, token *typev1.ConsistencyToken) {
	n.t.Helper()
	wait := n.enforced(euCentral, token, 2*time.Second)
	if wait.Enforced || len(wait.PendingRegions) != 1 || wait.PendingRegions[0] != string(at) || len(wait.PendingGateways) > 0 {
		n.t.Fatalf("want %s pending and no gateway, got %v", at, wait)
	}
}

// usBrokerKilled takes the way from us-east's services to its gateway: what the person may not open any more is not enforced
// before that gateway knows.
func usBrokerKilled(n *tenant) {
	n.kill(cluster.Broker, usEast)
	token := n.removeMember(n.person)
	n.mustBePendingIn(usEast, token)
	n.mustOpen(n.usLock, n.person) // so it said
	n.restart(cluster.Broker, usEast)
	n.mustBeEnforced(token)
	n.mustStayShut(n.usLock, n.person)
	n.addMember(n.person)
	n.swipeUntil(n.usLock, n.person, true)
}

func routerKilled(n *tenant) {
	must(n.t, n.cluster.Kill(cluster.Router, "eu"))
	n.mustOpen(n.lock, n.person)
	token := n.grant(euCentral, n.door, n.person.id)
	n.mustBePending(token, euWest)
	must(n.t, n.cluster.Restart(n.t.Context(), cluster.Router, "eu"))
	n.mustBeEnforced(token)
	n.wait(20*time.Second, n.lock.WaitDurable)
}

// regionKilled: the neighbour takes the locks and the writes; what must reach the dead region waits for it.
func regionKilled(n *tenant) {
	visitor := n.newPerson("A visitor of the neighbour", "")
	all := []string{cluster.Broker, "identity", "permissions", "device-gateway", "audit"}
	for _, program := range all {
		n.kill(program, euCentral)
	}
	n.swipeUntil(n.lock, n.person, true)
	n.wait(5*time.Second, n.lock.WaitReceived)
	token := n.grant(euWest, n.door, visitor.id)
	n.swipeUntil(n.lock, visitor, true)
	n.mustBePendingAt(euWest, token, euCentral)
	for _, program := range all {
		n.restart(program, euCentral)
	}
	n.mustBeEnforced(token)
	n.wait(20*time.Second, n.lock.WaitDurable)
	n.lockHome()
}

// permissionsHangs: the neighbour takes the calls and the relay's leases over. When the frozen one wakes it still holds, as
// it thinks, its leases, and changes nothing.
func permissionsHangs(n *tenant) {
	must(n.t, n.cluster.Freeze("permissions", string(euCentral)))
	n.mustOpen(n.lock, n.person)
	var token *typev1.ConsistencyToken
	n.eventually(30*time.Second, "a grant from the neighbour", func() error {
		ctx, cancel := context.WithTimeout(n.t.Context(), 15*time.Second)
		defer cancel()
		made, err := n.permissions(euWest).Grant(ctx, grantRequest(n.org, n.door, n.person.id, n.t.Name()))
		if err == nil {
			n.note(made)
		}
		token = made.GetToken()
		return err
	})
	if wait := n.enforced(euWest, token, 20*time.Second); !wait.Enforced {
		n.t.Fatalf("the neighbour's grant is not enforced: %v", wait)
	}
	must(n.t, n.cluster.Thaw("permissions", string(euCentral)))
	n.mustBeEnforced(n.grant(euCentral, n.door, n.person.id))
}

func brokerHangs(n *tenant) {
	must(n.t, n.cluster.Freeze(cluster.Broker, string(euCentral)))
	for range 20 {
		n.mustOpen(n.lock, n.person)
	}
	n.wait(5*time.Second, n.lock.WaitReceived)
	token := n.grant(euCentral, n.door, n.person.id)
	n.mustBePending(token, euCentral)
	must(n.t, n.cluster.Thaw(cluster.Broker, string(euCentral)))
	n.mustBeEnforced(token)
	n.wait(20*time.Second, n.lock.WaitDurable)
}

func databaseHangs(n *tenant) {
	must(n.t, n.cluster.FreezeDatabase("eu"))
	n.mustOpen(n.lock, n.person)
	n.wait(20*time.Second, n.lock.WaitDurable)
	ctx, cancel := context.WithTimeout(n.t.Context(), 3*time.Second)
	defer cancel()
	request := grantRequest(n.org, n.door, n.person.id, n.t.Name())
	if _, err := n.permissions(euCentral).Grant(ctx, request); err == nil {
		n.t.Fatal("a grant was made without a database")
	}
	must(n.t, n.cluster.ThawDatabase("eu"))
	n.eventually(20*time.Second, "the grant after all", func() error {
		made, err := n.permissions(euCentral).Grant(n.t.Context(), request)
		if err == nil {
			n.note(made)
			n.mustBeEnforced(made.Token)
		}
		return err
	})
}

// databaseKilled kills PostgreSQL while writers make grants.
func databaseKilled(n *tenant) {
	b := n.startBurst()
	b.until(b.total() / 3)
	must(n.t, n.cluster.KillDatabase("eu"))
	n.mustOpen(n.lock, n.person)
	must(n.t, n.cluster.StartDatabase(n.t.Context(), "eu"))
	b.finish()
}

// allKilled kills whatever a grant passes on its way to the ledger.
func allKilled(n *tenant) {
	b := n.startBurst()
	for i, program := range []string{"permissions", cluster.Broker, "audit", "identity"} {
		b.until(b.total() * (i + 1) / 6)
		n.kill(program, euCentral)
		n.swipe(n.lock, n.person)
		n.restart(program, euCentral)
	}
	b.finish()
	n.swipeUntil(n.lock, n.person, true)
}

// searchStopped reads all that the jurisdictions left on their disks.
func searchStopped(t *testing.T, c *cluster.Cluster, n *tenant) {
	var personal []scan.Needle
	for _, p := range n.people {
		personal = append(personal, scan.Needle{Name: "name", Bytes: []byte(p.name)},
			scan.Needle{Name: "e-mail", Bytes: []byte(p.email)}, scan.Needle{Name: "card", Bytes: p.card})
	}
	us, err := scan.Trees(t.Context(), personal, c.StateDirs("us")...)
	must(t, err)
	eu, err := scan.Trees(t.Context(), append(personal, scan.Needle{Name: "slug", Bytes: []byte("acme-faults")}), c.StateDirs("eu")...)
	must(t, err)
	if len(us.Findings) > 0 {
		t.Errorf("personal bytes in us: %v", us.Findings)
	}
	control := false
	for _, f := range eu.Findings {
		if f.Needle == "slug" {
			control = true
			continue
		}
		t.Errorf("personal bytes in clear in eu: %v", f) // sealed, or a keyed digest, everywhere
	}
	if !control {
		t.Error("the search does not find the slug, which eu's database has: it proves nothing")
	}
}
