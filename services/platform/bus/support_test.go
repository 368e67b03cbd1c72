package bus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const limit = 30 * time.Second

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls, for states that nothing signals.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s: %s", limit, what)
}

// background runs a blocking part of the bus; it is over, with its error checked, when the test ends or stop is called.
func background(t *testing.T, fn func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(limit):
			t.Error("did not end with its context")
		}
	})
	t.Cleanup(stop)
	return stop
}

func event(n int) *typev1.Event {
	return &typev1.Event{
		Id: fmt.Sprintf("event_euc_%04d", n), SchemaVersion: 1, Region: "eu-central", OrgId: "org_euc_1",
		Service: "permissions", Stream: "grant_euc_1", Version: int64(n), Kind: "grant_created",
	}
}

func record(version int64, body string) *typev1.StateRecord {
	return &typev1.StateRecord{Version: version, Body: []byte(body)}
}

// inbox collects consumed events.
type inbox struct {
	mu  sync.Mutex
	ids []string
}

func (i *inbox) add(ev *typev1.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ids = append(i.ids, ev.GetId())
}

func (i *inbox) all() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.ids...)
}

// replica is a gateway's copy as WatchState fills it.
type replica struct {
	mu          sync.Mutex
	facts       map[string]*typev1.StateRecord
	incarnation string
	caughtUp    []string // incarnations, one per call
}

func watch(t *testing.T, b *bus.Bus) *replica {
	r := &replica{facts: map[string]*typev1.StateRecord{}}
	background(t, func(ctx context.Context) error { return b.WatchState(ctx, r.update, r.level) })
	return r
}

func (r *replica) update(u bus.Update) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.incarnation != u.Incarnation {
		r.facts, r.incarnation = map[string]*typev1.StateRecord{}, u.Incarnation
	}
	r.facts[u.Key] = u.Record
}

func (r *replica) level(incarnation string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caughtUp = append(r.caughtUp, incarnation)
}

func (r *replica) version(key string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.facts[key].GetVersion()
}

func (r *replica) levels() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.caughtUp...)
}

func put(t *testing.T, b *bus.Bus, r region.Name, key string, rec *typev1.StateRecord) {
	t.Helper()
	if err := b.PutState(testContext(t), r, bus.AccessBucket(r, 0), key, rec); err != nil {
		t.Fatal(err)
	}
}
