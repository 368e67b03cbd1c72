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

	"github.com/cardea-mesh/cardea/deploy/local/internal/cluster"
	"github.com/cardea-mesh/cardea/deploy/local/internal/scan"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// TestFaults breaks one running system in many ways, one after the other. What the design promises of each holds while it
// is broken, all comes back, and at the end every swipe is once in its ledger and nothing personal is where it must not be.
func TestFaults(t *testing.T) {
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
		{"the broker is killed", brokerKilled},
		{"a gateway starts without its broker", gatewayWithoutBroker},
		{"identity is killed", identityKilled},
		{"permissions is killed", permissionsKilled},
		{"audit is killed", auditKilled},
		{"a gateway is killed", gatewayKilled},
		{"the services of us-east are killed", usKilled},
		{"PostgreSQL is killed in a burst of grants", databaseKilled},
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
	wait := n.enforced(region.Name(token.GetRegion()), token, 300*time.Millisecond)
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
	n.wait(5*time.Second, n.lock.WaitClosed)
	began := time.Now()
	n.wait(5*time.Second, n.lock.WaitOpen)
	n.t.Logf("a session with the neighbour after %s", time.Since(began))
	close(stop)
	<-stopped
	n.mustOpen(n.lock, n.person)
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
}

func usKilled(n *tenant) {
	for _, program := range []string{"identity", "permissions", "audit"} {
		n.kill(program, usEast)
	}
	n.mustOpen(n.usLock, n.person)
	token := n.removeMember(n.person)
	wait := n.enforced(euCentral, token, 300*time.Millisecond)
	if wait.Enforced || len(wait.PendingRegions) != 1 || wait.PendingRegions[0] != string(usEast) || len(wait.PendingGateways) > 0 {
		n.t.Fatalf("want us-east pending and no gateway, got %v", wait)
	}
	n.mustOpen(n.usLock, n.person) // so it said
	for _, program := range []string{"identity", "permissions", "audit"} {
		n.restart(program, usEast)
	}
	n.mustBeEnforced(token)
	n.swipeUntil(n.usLock, n.person, false)
	n.addMember(n.person)
	n.swipeUntil(n.usLock, n.person, true)
}

// databaseKilled kills PostgreSQL while writers make grants, each repeating its call until it is answered, as a client should.
func databaseKilled(n *tenant) {
	const writers, grants = 4, 12
	type made struct{ key, id string }
	var mu sync.Mutex
	var all []made
	acknowledged := func() int { mu.Lock(); defer mu.Unlock(); return len(all) }
	ctx, cancel := context.WithTimeout(n.t.Context(), 60*time.Second)
	defer cancel()
	var burst sync.WaitGroup
	for w := range writers {
		burst.Go(func() {
			for g := range grants {
				key := fmt.Sprintf("burst-%d-%d", w, g)
				for ctx.Err() == nil {
					answer, err := n.permissions(euCentral).Grant(ctx, grantRequest(n.org, n.door, n.person.id, key))
					if err == nil {
						mu.Lock()
						all = append(all, made{key, answer.GrantId})
						mu.Unlock()
						break
					}
					select {
					case <-time.After(20 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	n.eventually(20*time.Second, "some grants before the kill", func() error {
		if acknowledged() < writers*grants/3 {
			return errors.New("too few")
		}
		return nil
	})
	must(n.t, n.cluster.KillDatabase("eu"))
	atKill := acknowledged()
	n.mustOpen(n.lock, n.person)
	must(n.t, n.cluster.StartDatabase(n.t.Context(), "eu"))
	burst.Wait()
	if len(all) != writers*grants {
		n.t.Fatalf("%d of %d grants were made", len(all), writers*grants)
	}
	n.t.Logf("%d of %d grants acknowledged before the kill", atKill, len(all))
	ids := map[string]bool{}
	for _, m := range all {
		again, err := n.permissions(euCentral).Grant(n.t.Context(), grantRequest(n.org, n.door, n.person.id, m.key))
		must(n.t, err)
		if again.GrantId != m.id || ids[m.id] {
			n.t.Fatalf("key %s: first %s, now %s", m.key, m.id, again.GrantId)
		}
		ids[m.id] = true
		if _, err := n.permissions(euCentral).Revoke(n.t.Context(), &permissionsv1.RevokeRequest{OrgId: n.org, GrantId: m.id}); err != nil {
			n.t.Fatalf("the grant of key %s is not there: %v", m.key, err)
		}
	}
}

// searchStopped reads all that the jurisdictions left on their disks.
func searchStopped(t *testing.T, c *cluster.Cluster, n *tenant) {
	personal := []scan.Needle{
		{Name: "name", Bytes: []byte(n.person.name)}, {Name: "e-mail", Bytes: []byte(n.person.email)}, {Name: "card", Bytes: n.person.card},
	}
	us, err := scan.Trees(personal, c.StateDirs("us")...)
	must(t, err)
	eu, err := scan.Trees(append(personal, scan.Needle{Name: "slug", Bytes: []byte("acme-faults")}), c.StateDirs("eu")...)
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
