package outbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// change commits an event of door and its fact, and a call to us.
func change(t testing.TB, db *database.DB, ob *outbox.Outbox, home region.Name, org, door region.ID, value string) {
	t.Helper()
	commit(t, db, ob, home, org, func(c *outbox.Commit) {
		c.Event(outbox.Event{Stream: door, Kind: "door_changed", Payload: text(value)})
		c.Put(outbox.OrgKey(org, "door", door), text(value))
		c.Call(us, "/x/Follow", text(value))
	})
}

func TestTheRelaySendsEverythingOnceInOrder(t *testing.T) {
	db, ob := newOutbox(t)
	b := newBroker()
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: b, Caller: b})
	orgs, door := []region.ID{newOrg(), newOrg(), newOrg()}, newDoor()
	for i := range 30 {
		change(t, db, ob, central, orgs[i%3], door+region.ID(fmt.Sprint(i%3)), fmt.Sprint(i))
	}
	waitSent(t, db)
	b.check(t)
	for i, org := range orgs {
		var want []string
		for v := 1; v <= 10; v++ {
			want = append(want, fmt.Sprintf("%s%d:%d", door, i, v))
		}
		if got := b.got(org); !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
		for _, target := range []region.Name{central, west} {
			for _, key := range []string{outbox.HeadKey(org, "permissions", central), outbox.OrgKey(org, "door", door+region.ID(fmt.Sprint(i)))} {
				if f := b.fact(target, key); f.GetVersion() != 10 {
					t.Errorf("%s in %s is at version %d, want 10", key, target, f.GetVersion())
				}
			}
		}
	}
	if f := b.fact(us, outbox.HeadKey(orgs[0], "permissions", central)); f != nil {
		t.Error("a fact crossed the border")
	}
	if len(b.calls) != 30 {
		t.Errorf("%d calls, want 30", len(b.calls))
	}
}

// Every send fails at random, half of them after it was done. What arrives must be as if none had.
func TestNothingIsLostOrDoubledWhenSendingFails(t *testing.T) {
	db, ob := newOutbox(t)
	b := newBroker()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	fail := func(context.Context, string) error {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(4) == 0 {
			return errBroker
		}
		return nil
	}
	b.before, b.after = fail, fail
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: b, Caller: b})
	orgs, door := []region.ID{newOrg(), newOrg()}, newDoor()
	for i := range 20 {
		change(t, db, ob, central, orgs[i%2], door+region.ID(fmt.Sprint(i%2)), fmt.Sprint(i))
	}
	waitSent(t, db)
	b.check(t)
	for i, org := range orgs {
		if got := b.got(org); len(got) != 10 {
			t.Errorf("%d events, want 10: %q", len(got), got)
		}
		for _, target := range []region.Name{central, west} {
			if f := b.fact(target, outbox.OrgKey(org, "door", door+region.ID(fmt.Sprint(i)))); f.GetVersion() != 10 {
				t.Errorf("fact at version %d, want 10", f.GetVersion())
			}
		}
	}
	// Calls may repeat, but never fall back: 1 1 2 3 3, not 1 2 1.
	for parity := range 2 {
		last := -1
		for _, c := range b.calls {
			if n := callNumber(t, c); n%2 == parity && n < last {
				t.Errorf("call %d after %d", n, last)
			} else if n%2 == parity {
				last = n
			}
		}
		if last != 18+parity {
			t.Errorf("the last call was %d", last)
		}
	}
}

// callNumber reads the number that change was given out of a call.
func callNumber(t testing.TB, c string) int {
	t.Helper()
	var value wrapperspb.StringValue
	_, body, _ := strings.Cut(c, "/x/Follow ")
	if err := proto.Unmarshal([]byte(body), &value); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(value.GetValue())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func withTrace(ctx context.Context) (_ context.Context, traceparent string) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	return trace.ContextWithSpanContext(ctx, sc), "00-01000000000000000000000000000000-0200000000000000-01"
}

func TestACommitWakesTheRelay(t *testing.T) {
	db, ob := newOutbox(t)
	b := newBroker()
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: b, Caller: b, Poll: time.Hour})
	org := newOrg()
	for i := range 3 {
		change(t, db, ob, central, org, newDoor(), "x")
		wait(t, "the event", func() bool { return len(b.got(org)) == i+1 })
	}
}

func TestRowsOfAnotherProcessAreFoundByPolling(t *testing.T) {
	db, ob := newOutbox(t)
	b := newBroker()
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: b, Caller: b})
	otherProcess := outbox.New(outbox.Config{Service: "permissions", Region: central, Regions: dbtest.Regions(t), AccessState: true})
	org := newOrg()
	change(t, db, otherProcess, central, org, newDoor(), "x")
	wait(t, "the event", func() bool { return len(b.got(org)) == 1 })
}

func TestAFailingOrganizationStopsAloneAndGoesOnInOrder(t *testing.T) {
	db, ob := newOutbox(t)
	b := newBroker()
	bad, good, door := newOrg(), newOrg(), newDoor()
	var broken atomic.Bool
	broken.Store(true)
	b.before = func(_ context.Context, what string) error {
		if broken.Load() && strings.HasPrefix(what, "event "+string(bad)) {
			return errBroker
		}
		return nil
	}
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: b, Caller: b})
	for range 3 {
		change(t, db, ob, central, bad, door, "x")
		change(t, db, ob, central, good, door, "x")
	}
	wait(t, "the good one's events", func() bool { return len(b.got(good)) == 3 })
	head := b.fact(central, outbox.HeadKey(bad, "permissions", central))
	if len(b.got(bad)) != 0 || head.GetVersion() != 1 {
		t.Fatalf("sent past the failure: events %q, head %v", b.got(bad), head)
	}
	wait(t, "the calls, which have another target", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.calls) == 6 })
	broken.Store(false)
	waitSent(t, db)
	b.check(t)
	if got := b.got(bad); len(got) != 3 {
		t.Fatalf("events %q", got)
	}
}

func TestALongQueueDoesNotHoldUpOthers(t *testing.T) {
	db, ob := newOutbox(t)
	b := newBroker()
	long, short := region.ID("org_euc_a"), region.ID("org_euc_b") // the long one sorts first
	for range 2 {
		commit(t, db, ob, central, long, func(c *outbox.Commit) {
			for range 300 {
				c.Event(outbox.Event{Stream: newDoor(), Kind: "door_changed"})
			}
		})
	}
	commit(t, db, ob, central, short, func(c *outbox.Commit) { c.Event(outbox.Event{Stream: newDoor(), Kind: "door_changed"}) })
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: b, Caller: b})
	wait(t, "the short one's event", func() bool { return len(b.got(short)) == 1 })
	if n := len(b.got(long)); n >= 600 {
		t.Errorf("the short queue waited for all %d events of the long one", n)
	}
	waitSent(t, db)
	b.check(t)
	if n := len(b.got(long)); n != 600 {
		t.Errorf("%d events, want 600", n)
	}
}

func TestTheEnvelopeTellsWhoAndWhy(t *testing.T) {
	db, ob := newOutbox(t)
	b := newBroker()
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: b, Caller: b})
	org, door := newOrg(), newDoor()
	happened := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	ctx := outbox.WithCause(outbox.WithActor(t.Context(), "key_euc_1"), "event_euc_0")
	ctx, traceparent := withTrace(ctx)
	var id region.ID
	token, err := tryCommit(ctx, db, ob, west, org, func(c *outbox.Commit) {
		id = c.Event(outbox.Event{Stream: door, Kind: "door_created", Payload: text("p"), Sealed: []byte("s"), KeyID: "k", OccurredAt: happened, SchemaVersion: 2})
	})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "the event", func() bool { return len(b.got(org)) == 1 })
	e := b.events[0]
	if e.GetId() != string(id) || e.GetSchemaVersion() != 2 || e.GetRegion() != "eu-west" || e.GetOrgId() != string(org) || e.GetService() != "permissions" ||
		e.GetStream() != string(door) || e.GetVersion() != 1 || e.GetOrgVersion() != token.GetVersion() || e.GetKind() != "door_created" ||
		string(e.GetPayload()) != "\n\x01p" || string(e.GetSealed()) != "s" || e.GetKeyId() != "k" || e.GetActor() != "key_euc_1" ||
		e.GetCause() != "event_euc_0" || e.GetTraceparent() != traceparent || !e.GetOccurredAt().AsTime().Equal(happened) || e.GetRecordedAt() == nil {
		t.Fatalf("envelope %v", e)
	}
	if f := b.fact(west, outbox.HeadKey(org, "permissions", west)); f.GetTraceparent() != traceparent {
		t.Fatalf("head %v", f)
	}
}
