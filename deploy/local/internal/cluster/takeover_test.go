package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/deploy/local/internal/cluster"
	"github.com/cardea-mesh/cardea/deploy/local/internal/scan"
	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"google.golang.org/protobuf/proto"
)

// served is how soon a lock whose gateways died is served by the neighbour region.
const served = 10 * time.Second

// everything is what runs in a region.
var everything = []string{cluster.Broker, "identity", "permissions", "device-gateway", "audit"}

// TestTakeover takes the home region's gateways, or the whole region, away from several locks: by kill -9 (the line breaks),
// and by freezing (the line is dead and nobody says so). The neighbour serves each lock within ten seconds, decides as home would, and all
// events are in the home's ledger in order when it is back.
func TestTakeover(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c, err := cluster.Start(t.Context(), cluster.Options{State: newState(t)}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	stop := sync.OnceValue(c.Stop)
	defer stop()
	n := newTenant(t, c)
	x := &takeover{tenant: n, locks: []*lock{n.lock}}
	defer func() { x.off(); n.usLock.off() }()
	for range 2 {
		door, l := n.newDoor(euCentral)
		n.mustBeEnforced(n.grant(euCentral, door, n.staff))
		x.locks = append(x.locks, l)
	}
	for _, fault := range []struct {
		name  string
		begin func()
		end   func()
		// audited: the ledger's service goes on. One that is killed gets what it had in hand again, behind what came since, so that
		// places in the ledger then say nothing about a lock's order; (boot epoch, sequence) do.
		audited bool
	}{
		{"the gateway is killed", func() { n.kill("device-gateway", euCentral) }, func() { n.restart("device-gateway", euCentral) }, true},
		{"the gateway is frozen", func() { x.freeze("device-gateway") }, func() { x.thaw("device-gateway") }, true},
		{"the region is killed", func() { x.each(func(p string) { n.kill(p, euCentral) }) }, func() { x.each(func(p string) { n.restart(p, euCentral) }) }, false},
		{"the region is frozen", func() { x.freeze(everything...) }, func() { x.thaw(everything...) }, false},
	} {
		ok := t.Run(fault.name, func(t *testing.T) {
			defer func(outer *testing.T) { n.t = outer }(n.t)
			n.t = t
			x.play(fault.begin, fault.end, fault.audited)
		})
		if !ok {
			t.FailNow() // what comes after needs a whole system
		}
	}
	x.off()
	n.usLock.off()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	x.searchBorder(t, c)
}

// takeover is a tenant with several locks at home.
type takeover struct {
	*tenant
	locks []*lock
}

func (x *takeover) off() {
	for _, l := range x.locks {
		l.off()
	}
}

func (x *takeover) each(do func(program string)) {
	for _, program := range everything {
		do(program)
	}
}

func (x *takeover) freeze(programs ...string) {
	for _, program := range programs {
		must(x.t, x.cluster.Freeze(program, string(euCentral)))
	}
}

func (x *takeover) thaw(programs ...string) {
	for _, program := range programs {
		must(x.t, x.cluster.Thaw(program, string(euCentral)))
	}
}

// play breaks something, and lets everybody swipe at every lock until the neighbour serves it.
func (x *takeover) play(begin, end func(), audited bool) {
	x.t.Helper()
	boots := map[string]uint64{}
	for _, l := range x.locks {
		boots[l.DeviceID()] = l.BootEpoch()
	}
	gone, stays := x.newPerson("Somebody who leaves", ""), x.person
	door := x.door
	x.mustBeEnforced(x.grant(euCentral, door, gone.id))
	x.mustOpen(x.locks[0], gone)
	x.mustBeEnforced(x.revokeCard(gone)) // the neighbour knows it, or this would be pending
	began := time.Now()
	begin()
	var all sync.WaitGroup
	took := make([]time.Duration, len(x.locks))
	for i, l := range x.locks {
		all.Go(func() {
			for time.Since(began) < 3*served {
				if x.swipe(l, stays).Granted {
					took[i] = time.Since(began)
					return
				}
				sleepFor(x.t.Context(), 20*time.Millisecond)
			}
		})
	}
	all.Wait()
	x.t.Logf("served by the neighbour after %v", took)
	for i, one := range took {
		if one == 0 || one > served {
			x.t.Errorf("lock %d is served after %s (0s: never; its last error: %v)", i, one, x.locks[i].LastError())
		}
	}
	x.mustStayShut(x.locks[0], gone)
	x.mustOpen(x.locks[0], stays)
	end()
	for i, l := range x.locks {
		x.wait(30*time.Second, l.WaitDurable)
		l.off()
		x.locks[i] = x.switchOn(l.store, euCentral)
	}
	x.everySwipeOnce()
	x.inOrder(boots, audited)
}

func sleepFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// inOrder: of each lock's boot the neighbour took some swipes, and the home's ledger has all in the order in which they happened.
func (x *takeover) inOrder(boots map[string]uint64, audited bool) {
	x.t.Helper()
	var all []*gatewayv1.LockEvent // newest first
	for token := ""; ; {
		page, err := x.audit(euCentral).QueryEvents(x.t.Context(), &auditv1.QueryEventsRequest{
			OrgId: x.org, Region: string(euCentral), Kind: "access", PageSize: 1000, PageToken: token,
		})
		must(x.t, err)
		for _, e := range page.Events {
			taken := new(gatewayv1.LockEvent)
			must(x.t, proto.Unmarshal(e.Event.Payload, taken))
			if boots[taken.DeviceId] == taken.BootEpoch {
				all = append(all, taken)
			}
		}
		if token = page.NextPageToken; token == "" {
			break
		}
	}
	last, neighbours := map[string]uint64{}, map[string]bool{}
	for _, taken := range slices.Backward(all) {
		if audited && taken.Sequence <= last[taken.DeviceId] {
			x.t.Errorf("of %s, %d comes after %d in the ledger", taken.DeviceId, taken.Sequence, last[taken.DeviceId])
		}
		last[taken.DeviceId] = taken.Sequence
		if strings.HasPrefix(taken.GatewayId, "gateway_euw_") {
			neighbours[taken.DeviceId] = true
		}
	}
	if len(neighbours) != len(boots) {
		x.t.Errorf("the neighbour took events of %d of %d locks", len(neighbours), len(boots))
	}
	for device, boot := range boots {
		x.inLocksOrder(device, boot)
	}
}

// inLocksOrder: read by device, the ledger has all of a lock's boot from its first event on, without a hole, whatever the order of arrival.
func (x *takeover) inLocksOrder(device string, boot uint64) {
	x.t.Helper()
	last, holes := uint64(0), ""
	for end := time.Now().Add(30 * time.Second); ; sleepFor(x.t.Context(), 50*time.Millisecond) { // the ledger may be behind
		if last, holes = x.readInLocksOrder(device, boot); last == 1 && holes == "" {
			return
		}
		if time.Now().After(end) {
			x.t.Errorf("boot %d of %s is read down to %d; %s", boot, device, last, holes)
			return
		}
	}
}

// readInLocksOrder returns the number of the oldest event of a boot, and what is wrong with those after it.
func (x *takeover) readInLocksOrder(device string, boot uint64) (last uint64, holes string) {
	x.t.Helper()
	req := &auditv1.QueryEventsRequest{OrgId: x.org, Region: string(euCentral), DeviceId: device, PageSize: 1000}
	for {
		page, err := x.audit(euCentral).QueryEvents(x.t.Context(), req)
		must(x.t, err)
		for _, e := range page.Events {
			at := e.GetLock()
			if at.GetBootEpoch() != boot {
				continue
			}
			if at.GetMissingBefore() != 0 || last != 0 && at.GetSequence() != last-1 {
				holes += fmt.Sprintf("%d comes after %d, %d missing before it; ", at.GetSequence(), last, at.GetMissingBefore())
			}
			last = at.GetSequence()
		}
		if req.PageToken = page.NextPageToken; req.PageToken == "" {
			return last, holes
		}
	}
}

// searchBorder looks on the other jurisdiction's disks for what the neighbour region was told about the locks.
func (x *takeover) searchBorder(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	var needles []scan.Needle
	for _, l := range x.locks {
		needles = append(needles, scan.Needle{Name: "device", Bytes: []byte(l.DeviceID())})
	}
	for _, p := range x.people {
		needles = append(needles, scan.Needle{Name: "name", Bytes: []byte(p.name)})
	}
	us, err := scan.Trees(t.Context(), needles, c.StateDirs("us")...)
	must(t, err)
	if len(us.Findings) > 0 {
		t.Errorf("found in us: %v", us.Findings)
	}
	eu, err := scan.Trees(t.Context(), needles[:len(x.locks)], c.StateDirs("eu")...)
	must(t, err)
	if len(eu.Findings) == 0 {
		t.Error("the search does not find in eu what is there: it proves nothing")
	}
}
