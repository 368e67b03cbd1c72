package permissionstest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// Broker is outbox.Publisher in memory: an event counts once by its id, a fact is never written over a higher version.
type Broker struct {
	mu      sync.Mutex // guards what follows
	down    bool
	ids     map[string]bool
	events  []*typev1.Event
	state   map[region.Name]map[string]*typev1.StateRecord
	written []Write
	changed chan struct{} // closed and renewed with each change
}

// Write is one change of a bucket.
type Write struct {
	Target  region.Name
	Key     string
	Removed bool
}

var _ outbox.Publisher = (*Broker)(nil)

// NewBroker is empty and up.
func NewBroker() *Broker {
	return &Broker{ids: map[string]bool{}, state: map[region.Name]map[string]*typev1.StateRecord{}, changed: make(chan struct{})}
}

// SetDown makes every call fail, or ends that.
func (b *Broker) SetDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

var errDown = errors.New("permissionstest: the broker is down")

// PublishEvent implements outbox.Publisher.
func (b *Broker) PublishEvent(_ context.Context, _ string, ev *typev1.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errDown
	}
	if !b.ids[ev.GetId()] {
		b.ids[ev.GetId()] = true
		b.events = append(b.events, proto.CloneOf(ev))
		b.tell()
	}
	return nil
}

// PutState implements outbox.Publisher.
func (b *Broker) PutState(_ context.Context, target region.Name, _, key string, rec *typev1.StateRecord) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errDown
	}
	if b.state[target] == nil {
		b.state[target] = map[string]*typev1.StateRecord{}
	}
	if old := b.state[target][key]; old != nil && old.GetVersion() >= rec.GetVersion() {
		return nil
	}
	b.state[target][key] = proto.CloneOf(rec)
	b.written = append(b.written, Write{target, key, rec.GetRemoved()})
	b.tell()
	return nil
}

func (b *Broker) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Written returns every change of a bucket, in order.
func (b *Broker) Written(target region.Name) []Write {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.written), func(w Write) bool { return w.Target != target })
}

// Events returns those of a kind, in order; of every kind when it is empty.
func (b *Broker) Events(kind string) []*typev1.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.events), func(e *typev1.Event) bool { return kind != "" && e.GetKind() != kind })
}

// Keys returns the keys of the facts that hold in a bucket and begin with a prefix, sorted.
func (b *Broker) Keys(target region.Name, prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(b.state[target])) {
		if strings.HasPrefix(key, prefix) && !b.state[target][key].GetRemoved() {
			keys = append(keys, key)
		}
	}
	return keys
}

// Record returns a bucket's record; nil when there is none.
func (b *Broker) Record(target region.Name, key string) *typev1.StateRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state[target][key]
}

// Wait returns when the condition holds, which is asked again after each change, and fails the test after ten seconds.
func (b *Broker) Wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	for {
		b.mu.Lock()
		changed := b.changed
		b.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// WaitHead returns when a bucket has an organization's head at a version, and so all that led to it.
func (b *Broker) WaitHead(t testing.TB, target region.Name, token *typev1.ConsistencyToken) {
	t.Helper()
	key := outbox.HeadKey(region.ID(token.GetOrgId()), token.GetService(), region.Name(token.GetRegion()))
	b.Wait(t, key, func() bool { return b.Record(target, key).GetVersion() >= token.GetVersion() })
}
