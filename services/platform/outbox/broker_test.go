package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// broker keeps what it is sent as the real one does: events once each by their id, facts by compare-and-set. It can fail
// before doing a thing and after it, and it notes what a receiver would trip over.
type broker struct {
	mu     sync.Mutex // guards all below
	events []*typev1.Event
	ids    map[string]bool
	facts  map[string]*typev1.StateRecord
	calls  []string
	sends  int
	wrong  []string

	// before and after run around every send, outside the lock; an error of before means not done, of after done.
	before, after func(ctx context.Context, what string) error
}

func newBroker() *broker {
	nothing := func(context.Context, string) error { return nil }
	return &broker{ids: map[string]bool{}, facts: map[string]*typev1.StateRecord{}, before: nothing, after: nothing}
}

func (b *broker) do(ctx context.Context, what string, apply func()) error {
	if err := b.before(ctx, what); err != nil {
		return err
	}
	b.mu.Lock()
	b.sends++
	apply()
	b.mu.Unlock()
	return b.after(ctx, what)
}

func (b *broker) PublishEvent(ctx context.Context, subject string, ev *typev1.Event) error {
	return b.do(ctx, "event "+ev.GetOrgId(), func() {
		if b.ids[ev.GetId()] {
			return
		}
		b.ids[ev.GetId()] = true
		if want := outbox.Subject(region.Name(ev.GetRegion()), ev.GetService(), region.ID(ev.GetOrgId()), ev.GetKind()); subject != want {
			b.wrong = append(b.wrong, "subject "+subject)
		}
		for _, e := range b.events {
			if e.GetOrgId() == ev.GetOrgId() && e.GetRegion() == ev.GetRegion() && e.GetOrgVersion() > ev.GetOrgVersion() {
				b.wrong = append(b.wrong, fmt.Sprintf("version %d of %s after %d", ev.GetOrgVersion(), ev.GetOrgId(), e.GetOrgVersion()))
			}
		}
		b.events = append(b.events, proto.CloneOf(ev))
	})
}

func (b *broker) PutState(ctx context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error {
	return b.do(ctx, "state "+key, func() {
		if bucket != outbox.Bucket(target, 0) {
			b.wrong = append(b.wrong, "bucket "+bucket)
		}
		if was := b.facts[bucket+" "+key]; was == nil || was.GetVersion() < rec.GetVersion() {
			b.facts[bucket+" "+key] = proto.CloneOf(rec)
		}
	})
}

func (b *broker) Call(ctx context.Context, target region.Name, procedure string, request []byte) error {
	return b.do(ctx, "call "+procedure, func() { b.calls = append(b.calls, fmt.Sprintf("%s %s %s", target, procedure, request)) })
}

// fact returns what a bucket has.
func (b *broker) fact(target region.Name, key string) *typev1.StateRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.facts[outbox.Bucket(target, 0)+" "+key]
}

// got returns the events of an organization in their order of arrival, as stream:version.
func (b *broker) got(org region.ID) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.GetOrgId() == string(org) {
			all = append(all, fmt.Sprintf("%s:%d", e.GetStream(), e.GetVersion()))
		}
	}
	return all
}

func (b *broker) check(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		t.Error(w)
	}
}

var errBroker = errors.New("the broker said no")

// startRelay runs a relay until the test's end, or until stop, which returns when it has ended.
func startRelay(t testing.TB, cfg outbox.RelayConfig) (stop func()) {
	t.Helper()
	if cfg.Poll == 0 {
		cfg.Poll = 20 * time.Millisecond
	}
	cfg.MaxBackoff = 50 * time.Millisecond
	r, err := outbox.NewRelay(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// wait polls until ok, and fails the test after 20 s.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

// waitSent waits until the outbox is empty.
func waitSent(t testing.TB, db *database.DB) {
	t.Helper()
	wait(t, "the outbox to be sent", func() bool {
		var left int
		if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM outbox`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		return left == 0
	})
}
