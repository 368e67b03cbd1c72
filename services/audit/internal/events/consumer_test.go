package events_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/events"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const limit = 30 * time.Second

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// rig is a broker, a database, and publishers.
type rig struct {
	t      *testing.T
	broker *bustest.Server
	bus    *bus.Bus
	db     *dbtest.Database
	store  *postgres.Store
	org    region.ID
}

func newRig(t *testing.T) *rig {
	broker := bustest.Start(t)
	db := dbtest.Make(t, dbtest.Options{Schema: postgres.Schema, Sets: sets()})
	return &rig{t: t, broker: broker, bus: broker.Connect(t), db: db, store: postgres.New(db.DB), org: region.NewID(region.Organization, "euc")}
}

// consume runs an instance until the test ends or stop is called.
func (r *rig) consume(store events.Store) (stop func()) {
	return r.consumeOn(r.broker.Connect(r.t), store)
}

func (r *rig) consumeOn(b *bus.Bus, store events.Store) (stop func()) {
	c := &events.Consumer{
		Bus: b, Store: store, Regions: dbtest.Regions(r.t), Region: "eu-central", Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Tracer: noop.NewTracerProvider(), AckWait: 500 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				r.t.Errorf("the consumer ended with %v", err)
			}
		case <-time.After(limit):
			r.t.Error("the consumer did not end with its context")
		}
	}
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) event(n int) *typev1.Event {
	payload, _ := proto.Marshal(&gatewayv1.LockEvent{Sequence: uint64(n)})
	return &typev1.Event{
		Id: fmt.Sprintf("device_euc_1.1.%d", n), SchemaVersion: 1, Region: "eu-central", OrgId: string(r.org),
		Service: "device-gateway", Kind: "access", Payload: payload, OccurredAt: timestamppb.New(noon),
	}
}

func (r *rig) publish(ev *typev1.Event) {
	r.t.Helper()
	if err := r.bus.PublishEvent(r.t.Context(), bus.Subject(ev), ev); err != nil {
		r.t.Fatal(err)
	}
}

// raw puts bytes on the stream as nobody should, without the broker's deduplication.
func (r *rig) raw(subject string, data []byte) {
	r.t.Helper()
	nc, err := nats.Connect(r.broker.URL())
	if err != nil {
		r.t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request(subject, data, limit); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) resend(ev *typev1.Event) {
	r.t.Helper()
	data, err := proto.Marshal(ev)
	if err != nil {
		r.t.Fatal(err)
	}
	r.raw(bus.Subject(ev), data)
}

// ids verifies the ledger and returns its events' ids; errors of the database count as nothing read.
func (r *rig) ids() []string {
	r.t.Helper()
	id := ledger.ID{Org: r.org, Region: "eu-central"}
	entries, head, err := r.store.Entries(r.t.Context(), id, 0, 10_000)
	if err != nil {
		return nil
	}
	walk := ledger.NewVerifier(id)
	var ids []string
	for _, e := range entries {
		if err := walk.Add(e); err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, e.EventID)
	}
	if err := walk.End(head); err != nil {
		r.t.Fatal(err)
	}
	return ids
}

// holds waits until the ledger has exactly the events 0 to n-1, each once, in any order.
func (r *rig) holds(n int) {
	r.t.Helper()
	want := map[string]int{}
	for i := range n {
		want[r.event(i).Id] = 1
	}
	var got map[string]int
	eventually(r.t, func() bool {
		got = map[string]int{}
		for _, id := range r.ids() {
			got[id]++
		}
		return len(got) >= n
	})
	if !maps.Equal(got, want) {
		r.t.Fatalf("the ledger holds %v, want %v", got, want)
	}
}

// settled waits until the broker has an acknowledgement for everything.
func (r *rig) settled() {
	r.t.Helper()
	eventually(r.t, func() bool {
		pending, unacknowledged := r.consumerState()
		return pending == 0 && unacknowledged == 0
	})
}

func (r *rig) parked() int {
	var n int
	if err := r.db.DB.Pool().QueryRow(r.t.Context(), `SELECT count(*) FROM parked_events`).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s", limit)
}

func TestEventsAreInTheLedgerInTheStreamsOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 40 {
		r.publish(r.event(n))
	}
	r.consume(r.store)
	r.holds(40)
	for n, id := range r.ids() {
		if id != r.event(n).Id {
			t.Fatalf("event %s at position %d", id, n)
		}
	}
	r.settled()
}

func TestAnEventThatComesAgainIsPassedOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.consume(r.store)
	for range 3 {
		for n := range 5 {
			ev := r.event(n)
			ev.Cause = fmt.Sprint(time.Now().UnixNano()) // another gateway's copy differs
			r.resend(ev)
		}
		r.holds(5)
	}
	r.settled()
	r.holds(5)
}

// flaky is a store whose appends fail in the two ways there are: not done, and done but reported as failed.
type flaky struct {
	*postgres.Store
	calls atomic.Int32
}

func (f *flaky) Append(ctx context.Context, in region.Name, batch []ledger.Event, at time.Time) (int, error) {
	switch f.calls.Add(1) % 3 {
	case 1:
		return 0, database.ErrUnavailable
	case 2:
		n, err := f.Store.Append(ctx, in, batch, at)
		return n, errors.Join(database.ErrUnknownOutcome, err)
	}
	return f.Store.Append(ctx, in, batch, at)
}

func TestAppendsThatFailInBothWaysLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.consume(&flaky{Store: r.store})
	for n := range 30 {
		r.publish(r.event(n))
	}
	r.holds(30)
	r.settled()
	r.holds(30)
}

// dying loses its broker between the commit and the acknowledgement, as a killed process does.
type dying struct {
	*postgres.Store
	bus  *bus.Bus
	once sync.Once
	died chan struct{}
}

func (d *dying) Append(ctx context.Context, in region.Name, batch []ledger.Event, at time.Time) (int, error) {
	err := errors.New("this instance is dead") // a batch that it still had at hand comes to nothing
	d.once.Do(func() {
		_, err = d.Store.Append(ctx, in, batch, at)
		d.bus.Close()
		close(d.died)
	})
	<-ctx.Done()
	return 0, errors.Join(err, ctx.Err())
}

func TestAnInstanceKilledBetweenCommitAndAcknowledgementDoublesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 10 {
		r.publish(r.event(n))
	}
	b := r.broker.Connect(t)
	first := &dying{Store: r.store, bus: b, died: make(chan struct{})}
	stop := r.consumeOn(b, first)
	<-first.died
	stop()
	if len(r.ids()) == 0 {
		t.Fatal("nothing was committed before the kill")
	}
	r.consume(r.store)
	r.settled()
	r.holds(10)
}

func TestTwoInstancesOfARegionShareTheWork(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.consume(r.store)
	r.consume(r.store)
	for n := range 200 {
		r.publish(r.event(n))
		if n%20 == 0 {
			r.resend(r.event(n / 2))
		}
	}
	r.holds(200)
	r.settled()
	r.holds(200)
}

func TestWhatDoesNotFitIsParkedAndHoldsUpNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	changed := func(do func(*typev1.Event)) *typev1.Event {
		ev := r.event(900)
		do(ev)
		return ev
	}
	subject := bus.Subject(r.event(0))
	bad := []*typev1.Event{
		changed(func(e *typev1.Event) { e.Id = "" }),
		changed(func(e *typev1.Event) { e.Id = "a\x00b" }),
		changed(func(e *typev1.Event) { e.OrgId = "org_nowhere" }),
		changed(func(e *typev1.Event) { e.OrgId = string(region.NewID(region.Organization, "euc")) }), // another's, on this one's subject
		changed(func(e *typev1.Event) { e.Region = "eu-west" }),
		changed(func(e *typev1.Event) { e.Service = "permissions" }),
		changed(func(e *typev1.Event) { e.Kind = "lock" }),
		changed(func(e *typev1.Event) { e.Kind = "" }),
	}
	r.consume(r.store)
	r.publish(r.event(0))
	r.raw(subject, []byte("\xff\xff nonsense"))
	for range 2 { // each twice: parked once
		for _, ev := range bad {
			data, _ := proto.Marshal(ev)
			r.raw(subject, data)
		}
	}
	r.raw("cardea.eu-central.short", nil)
	r.publish(r.event(1))
	r.holds(2)
	r.settled()
	if n := r.parked(); n != len(bad)+2 {
		t.Fatalf("%d parked, want %d", n, len(bad)+2)
	}
	var why string
	err := r.db.DB.Pool().QueryRow(t.Context(), `SELECT error FROM parked_events WHERE data = $1`, []byte("\xff\xff nonsense")).Scan(&why)
	if err != nil || why == "" {
		t.Fatalf("parked as %q, %v", why, err)
	}
}

// An event that the database refuses, though it passed the checks, is found among the others of its batch and parked.
func TestAnEventThatTheDatabaseRefusesIsParkedAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	admin := dbtest.Open(t, database.Config{URL: r.db.OwnerURL, Schema: postgres.Schema})
	if _, err := admin.Pool().Exec(t.Context(), `ALTER TABLE ledger_bodies ADD CHECK (kind <> 'refused')`); err != nil {
		t.Fatal(err)
	}
	ev := r.event(900)
	ev.Kind = "refused"
	r.publish(r.event(0))
	r.publish(ev)
	r.publish(r.event(1))
	r.consume(r.store)
	r.holds(2)
	r.settled()
	if n := r.parked(); n != 1 {
		t.Fatalf("%d parked, want 1", n)
	}
}

func TestAnUnreadablePayloadIsKeptAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ev := r.event(0)
	ev.Payload = []byte{0xff}
	r.publish(ev)
	r.consume(r.store)
	r.holds(1)
	if n := r.parked(); n != 0 {
		t.Fatalf("%d parked", n)
	}
}

// The database refuses every connection for a while: nothing is acknowledged, and all is there when it is back.
func TestADatabaseThatIsAwayLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.consume(r.store)
	r.publish(r.event(0))
	r.holds(1)
	admin := dbtest.Open(t, database.Config{URL: strings.Replace(r.db.AdminURL, "/"+r.databaseName(), "/postgres", 1)})
	allow := func(yes bool) {
		t.Helper()
		sql := fmt.Sprintf(`ALTER DATABASE %s WITH ALLOW_CONNECTIONS %t`, r.databaseName(), yes)
		if _, err := admin.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	allow(false)
	if _, err := admin.Pool().Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, r.databaseName()); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 20; n++ {
		r.publish(r.event(n))
	}
	eventually(t, func() bool { pending, unacknowledged := r.consumerState(); return pending == 0 && unacknowledged == 19 })
	allow(true)
	r.holds(20)
	r.settled()
}

// The broker restarts while events flow.
func TestABrokerThatRestartsLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.consume(r.store)
	for n := range 30 {
		if n == 10 || n == 20 {
			r.broker.Restart(t)
			eventually(t, r.bus.Connected)
		}
		for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
			if err := r.bus.PublishEvent(t.Context(), bus.Subject(r.event(n)), r.event(n)); err == nil {
				break
			} else if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	r.holds(30)
}

// Two regions of a jurisdiction keep their ledgers apart in one database.
func TestTwoRegionsInOneDatabaseHaveTheirOwnLedgers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	west := bustest.Start(t, bustest.Region("eu-west"))
	westBus := west.Connect(t)
	c := &events.Consumer{
		Bus: westBus, Store: r.store, Regions: dbtest.Regions(t), Region: "eu-west", Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Tracer: noop.NewTracerProvider(),
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go c.Run(ctx)
	r.consume(r.store)
	for n := range 10 {
		ev := r.event(n)
		r.publish(ev)
		ev.Region = "eu-west" // the same id in another region is another event
		if err := westBus.PublishEvent(t.Context(), bus.Subject(ev), ev); err != nil {
			t.Fatal(err)
		}
	}
	r.holds(10)
	id := ledger.ID{Org: r.org, Region: "eu-west"}
	eventually(t, func() bool { head, err := r.store.Head(t.Context(), id); return err == nil && head.Size == 10 })
	entries, head, err := r.store.Entries(t.Context(), id, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	walk := ledger.NewVerifier(id)
	for _, e := range entries {
		if err := walk.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := walk.End(head); err != nil {
		t.Fatal(err)
	}
}
