package bus_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
)

const valueKey = "org_euc_1.door.door_euc_1"

// values remembers what a watch delivered.
type values struct {
	mu     sync.Mutex
	latest map[string]bus.Value
	served bool
	cuts   int
}

func watchValues(t *testing.T, b *bus.Bus) *values {
	v := &values{latest: map[string]bus.Value{}}
	locked := func(do func()) {
		v.mu.Lock()
		defer v.mu.Unlock()
		do()
	}
	background(t, func(ctx context.Context) error {
		return b.WatchValues(ctx, bus.StateBucket(b.Region()), bus.ValueWatcher{
			OnValue:    func(one bus.Value) { locked(func() { v.latest[one.Key] = one }) },
			OnCaughtUp: func(string) { locked(func() { v.served = true }) },
			OnCut:      func() { locked(func() { v.served, v.cuts = false, v.cuts+1 }) },
		})
	})
	return v
}

func (v *values) get(key string) (value bus.Value, served bool, cuts int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.latest[key], v.served, v.cuts
}

func set(t *testing.T, b *bus.Bus, body string, over uint64) (uint64, error) {
	t.Helper()
	return b.SetValue(testContext(t), b.Region(), bus.StateBucket(b.Region()), valueKey, []byte(body), over)
}

func TestAValueIsWrittenOverWhatWasReadOnly(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	seen := watchValues(t, b)
	nothing, err := b.GetValue(testContext(t), b.Region(), bus.StateBucket(b.Region()), valueKey)
	if err != nil || nothing.Revision != 0 || nothing.Body != nil {
		t.Fatalf("%+v, %v", nothing, err)
	}
	first, err := set(t, b, "one", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set(t, b, "two", 0); !errors.Is(err, bus.ErrConflict) {
		t.Fatalf("written over what was not read: %v", err)
	}
	second, err := set(t, b, "two", first)
	if err != nil || second <= first {
		t.Fatalf("%d, %v", second, err)
	}
	if _, err := set(t, b, "three", first); !errors.Is(err, bus.ErrConflict) {
		t.Fatalf("written over a newer value: %v", err)
	}
	got, err := b.GetValue(testContext(t), b.Region(), bus.StateBucket(b.Region()), valueKey)
	if err != nil || string(got.Body) != "two" || got.Revision != second {
		t.Fatalf("%+v, %v", got, err)
	}
	if last, incarnation, err := b.LastRevision(testContext(t), b.Region(), bus.StateBucket(b.Region())); err != nil || last != second || incarnation == "" {
		t.Fatalf("the bucket ends at %d of %q, %v; %d was written", last, incarnation, err, second)
	}
	eventually(t, "the watch has it", func() bool {
		v, served, _ := seen.get(valueKey)
		return served && string(v.Body) == "two" && v.Revision == second && v.Incarnation != ""
	})

	s.Stop()
	if _, err := set(t, b, "three", second); !errors.Is(err, bus.ErrUnavailable) {
		t.Fatalf("the broker is stopped: %v", err)
	}
	if _, _, err := b.LastRevision(shortContext(t), b.Region(), bus.StateBucket(b.Region())); !errors.Is(err, bus.ErrUnavailable) {
		t.Fatalf("the broker is stopped: %v", err)
	}
	eventually(t, "the connection is known to be cut", func() bool { return !b.Connected() })
	s.Restart(t)
	eventually(t, "the watch starts over and goes on", func() bool { _, served, cuts := seen.get(valueKey); return served && cuts > 0 })
}

func TestAGatewayReachesTheStateOfItsJurisdiction(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	ready(t, regions)
	home, neighbour := regions.Connect(t, "eu-central", "device-gateway"), regions.Connect(t, "eu-west", "device-gateway")
	seen := watchValues(t, home)
	eventually(t, "the home is watched", func() bool { _, served, _ := seen.get(valueKey); return served })
	eventually(t, "the neighbour writes the home's state", func() bool {
		_, err := neighbour.SetValue(shortContext(t), "eu-central", bus.StateBucket("eu-central"), valueKey, []byte("x"), 0)
		return err == nil || errors.Is(err, bus.ErrConflict) // the answer to an earlier try may have been lost
	})
	eventually(t, "the home sees it", func() bool { v, _, _ := seen.get(valueKey); return string(v.Body) == "x" })
	got, err := neighbour.GetValue(testContext(t), "eu-central", bus.StateBucket("eu-central"), valueKey)
	if err != nil || string(got.Body) != "x" {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := neighbour.SetValue(shortContext(t), "us-east", bus.StateBucket("us-east"), valueKey, []byte("x"), 0); err == nil {
		t.Fatal("the state of another jurisdiction was written")
	}
}
