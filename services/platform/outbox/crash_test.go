package outbox_test

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/outbox/relaytest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { relaytest.Main(m) }

func crashBench(t *testing.T) (*dbtest.Database, *outbox.Outbox) {
	made := dbtest.Make(t, dbtest.Options{Schema: "permissions", Sets: []fs.FS{outbox.Migrations}})
	return made, outbox.New(outbox.Config{Service: "permissions", Region: central, Regions: dbtest.Regions(t), AccessState: true})
}

// The steps at which a relay process can die around one send.
const (
	beforeDoing = iota // committed, never sent
	afterDoing         // sent, the relay does not know
	afterTheAck        // the relay knows, the row may still be there
	numberOfSteps
)

func TestARelayKilledAtAnyStepLosesAndDoublesNothing(t *testing.T) {
	made, ob := crashBench(t)
	b := newBroker()
	org, door := newOrg(), newDoor()
	const commits = 4
	for i := range commits {
		change(t, made.DB, ob, central, org, door, fmt.Sprint(i))
	}
	// Each commit is 2 facts to 2 regions, an event and a call. The n-th process dies at its n-th send or earlier, each
	// time at another step.
	for n := 0; ; n++ {
		c := relaytest.Start(t, made.URL, "permissions", central)
		if diesAt(t, c, b, n%numberOfSteps, n/numberOfSteps+1, made.DB) {
			break
		}
	}
	b.check(t)
	var want []string
	for v := 1; v <= commits; v++ {
		want = append(want, fmt.Sprintf("%s:%d", door, v))
	}
	if got := b.got(org); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	for _, target := range []region.Name{central, west} {
		for _, key := range []string{outbox.HeadKey(org, "permissions", central), outbox.OrgKey(org, "door", door)} {
			if f := b.fact(target, key); f.GetVersion() != commits {
				t.Errorf("%s in %s is at version %d, want %d", key, target, f.GetVersion(), commits)
			}
		}
	}
	// Calls are repeated from the last one whose row was deleted; a receiver, which takes older ones without effect, sees
	// 0 1 2 3 4 5.
	last := -1
	for _, call := range b.calls {
		if n := callNumber(t, call); n > last+1 {
			t.Errorf("call %d after %d", n, last)
		} else {
			last = max(last, n)
		}
	}
	if last != commits-1 {
		t.Errorf("the last call was %d", last)
	}
}

// diesAt serves a process until its send number `at`, and kills it there. done is true when all was sent before.
func diesAt(t *testing.T, c *relaytest.Child, b *broker, step, at int, db *database.DB) (done bool) {
	t.Helper()
	asks := make(chan relaytest.Send)
	go func() {
		defer close(asks)
		for s, ok := c.Next(); ok; s, ok = c.Next() {
			asks <- s
		}
	}()
	defer func() {
		c.Kill()
		for range asks {
		}
	}()
	for n := 1; ; {
		select {
		case s := <-asks:
			if n == at && step == beforeDoing {
				return false
			}
			err := s.To(t.Context(), b, b)
			if n == at && step == afterDoing {
				return false
			}
			c.Answer(err)
			if n == at {
				return false
			}
			n++
		case <-time.After(20 * time.Millisecond):
			if sent(t, db) {
				return true
			}
		}
	}
}

func sent(t *testing.T, db *database.DB) bool {
	t.Helper()
	var left int
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM outbox`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	return left == 0
}

func TestANeighbourTakesOverFromADeadRelay(t *testing.T) {
	made, ob := crashBench(t)
	b := newBroker()
	org := newOrg()
	change(t, made.DB, ob, central, org, newDoor(), "x")
	c := relaytest.Start(t, made.URL, "permissions", central)
	if _, ok := c.Next(); !ok { // it has the lease
		t.Fatal("the relay process is gone")
	}
	neighbour := outbox.New(outbox.Config{Service: "permissions", Region: west, Regions: dbtest.Regions(t), AccessState: true})
	startRelay(t, outbox.RelayConfig{DB: made.DB, Outbox: neighbour, Publisher: b, Caller: b, Lease: relaytest.Lease})
	for range 5 { // the neighbour's relay runs, and leaves the lease alone while it is renewed
		time.Sleep(relaytest.Lease / 3) // not synchronisation: time must pass for a lease to run out
		if len(b.got(org)) != 0 {
			t.Fatal("a lease that is renewed was taken")
		}
	}
	c.Kill()
	wait(t, "the neighbour to send", func() bool { return len(b.got(org)) == 1 })
	waitSent(t, made.DB)
}

func TestTheHomeRegionTakesItsLeaseBack(t *testing.T) {
	made, ob := crashBench(t)
	b, away := newBroker(), newBroker()
	neighbour := outbox.New(outbox.Config{Service: "permissions", Region: west, Regions: dbtest.Regions(t), AccessState: true})
	startRelay(t, outbox.RelayConfig{DB: made.DB, Outbox: neighbour, Publisher: away, Caller: away, Lease: relaytest.Lease})
	first := newOrg()
	change(t, made.DB, ob, central, first, newDoor(), "x")
	wait(t, "the neighbour to send while home is away", func() bool { return len(away.got(first)) == 1 })
	startRelay(t, outbox.RelayConfig{DB: made.DB, Outbox: ob, Publisher: b, Caller: b, Lease: relaytest.Lease})
	wait(t, "home to hold its leases", func() bool {
		var held int
		err := made.DB.Pool().QueryRow(t.Context(), `SELECT count(*) FROM relay_leases WHERE region = 'eu-central' AND holder_region = 'eu-central'`).Scan(&held)
		return err == nil && held == 3
	})
	wait(t, "home's commits to be sent by home", func() bool {
		org := newOrg()
		change(t, made.DB, ob, central, org, newDoor(), "x")
		waitSent(t, made.DB)
		return len(b.got(org)) == 1 && len(away.got(org)) == 0
	})
}

// A relay sends a fact, is paused with it on the wire, and loses its lease. Another sends newer versions. Then the old
// message arrives, and the relay wakes.
func TestAPausedRelayThatWakesLateChangesNothing(t *testing.T) {
	for _, held := range []string{"state", "event"} {
		t.Run(held, func(t *testing.T) {
			made, ob := crashBench(t)
			b := newBroker()
			org, door := newOrg(), newDoor()
			change(t, made.DB, ob, central, org, door, "old")

			paused := relaytest.Start(t, made.URL, "permissions", central)
			late := pauseAt(t, paused, b, held)

			other := outbox.New(outbox.Config{Service: "permissions", Region: central, Regions: dbtest.Regions(t), AccessState: true})
			startRelay(t, outbox.RelayConfig{DB: made.DB, Outbox: other, Publisher: b, Caller: b, Lease: relaytest.Lease})
			change(t, made.DB, other, central, org, door, "new")
			waitSent(t, made.DB)
			before := b.snapshot()

			paused.Answer(late.To(t.Context(), b, b)) // the old message arrives after all
			paused.Signal(t, syscall.SIGCONT)
			go serve(t.Context(), t, paused, b)
			change(t, made.DB, other, central, newOrg(), newDoor(), "later")
			waitSent(t, made.DB)

			b.check(t)
			after := b.snapshot()
			if held == "state" {
				b.wouldHaveUndone(t, late)
			}
			for what, was := range before {
				if after[what] != was {
					t.Errorf("%s was %s and is %s", what, was, after[what])
				}
			}
			if got, want := b.got(org), []string{string(door) + ":1", string(door) + ":2"}; !slices.Equal(got, want) {
				t.Errorf("events %q, want %q", got, want)
			}
		})
	}
}

// pauseAt serves a relay process up to its first send of kind what, and stops the process there.
func pauseAt(t *testing.T, c *relaytest.Child, b *broker, what string) relaytest.Send {
	t.Helper()
	for {
		s, ok := c.Next()
		if !ok {
			t.Fatal("the relay process is gone")
		}
		if s.What == what {
			c.Signal(t, syscall.SIGSTOP)
			return s
		}
		c.Answer(s.To(t.Context(), b, b))
	}
}

// serve does what a process asks for until it is gone.
func serve(ctx context.Context, t *testing.T, c *relaytest.Child, b *broker) {
	for s, ok := c.Next(); ok && ctx.Err() == nil; s, ok = c.Next() {
		c.Answer(s.To(t.Context(), b, b))
	}
}

// wouldHaveUndone shows that the guard matters: written without compare-and-set, the late fact would be the older one.
func (b *broker) wouldHaveUndone(t *testing.T, late relaytest.Send) {
	t.Helper()
	rec := &typev1.StateRecord{}
	if err := proto.Unmarshal(late.Body, rec); err != nil {
		t.Fatal(err)
	}
	if now := b.fact(region.Name(late.Target), late.Key); rec.GetVersion() >= now.GetVersion() {
		t.Errorf("the late fact of version %d was not late: the bucket has %d", rec.GetVersion(), now.GetVersion())
	}
}

// snapshot says what a receiver would see.
func (b *broker) snapshot() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]string{}
	for key, rec := range b.facts {
		all[key] = fmt.Sprint(rec.GetVersion(), rec.GetRemoved(), rec.GetBody())
	}
	for _, e := range b.events {
		all[e.GetId()] = fmt.Sprint(e.GetVersion())
	}
	return all
}
