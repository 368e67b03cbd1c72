package bus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
)

const grantKey = "org_euc_1.site.site_euc_1.grant.grant_euc_1"

func held(t *testing.T, b *bus.Bus, key string) (*typev1.StateRecord, uint64) {
	t.Helper()
	kv, err := b.Bucket(testContext(t), bus.AccessBucket(b.Region(), 0))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(testContext(t), key)
	if err != nil {
		t.Fatal(err)
	}
	rec := &typev1.StateRecord{}
	if err := proto.Unmarshal(entry.Value(), rec); err != nil {
		t.Fatal(err)
	}
	return rec, entry.Revision()
}

func TestLateOldWriterChangesNothing(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	put(t, b, "eu-central", grantKey, record(3, "granted"))
	put(t, b, "eu-central", grantKey, &typev1.StateRecord{Version: 7, Removed: true})
	_, revision := held(t, b, grantKey)

	for _, version := range []int64{3, 6, 7} {
		put(t, b, "eu-central", grantKey, record(version, "granted"))
	}
	rec, after := held(t, b, grantKey)
	if !rec.GetRemoved() || rec.GetVersion() != 7 || after != revision {
		t.Fatalf("a late writer changed the tombstone: %v at revision %d, was %d", rec, after, revision)
	}
}

func TestConcurrentWritersNeverPutALowerVersionOverAHigher(t *testing.T) {
	t.Parallel()
	const writers, versions = 8, 40
	s := bustest.Start(t)
	b := s.Connect(t)
	replicas := watch(t, b)
	var rising = struct {
		sync.Mutex
		last int64
		bad  []string
	}{}
	second := s.Connect(t)
	background(t, func(ctx context.Context) error {
		return second.WatchState(ctx, func(u bus.Update) {
			rising.Lock()
			defer rising.Unlock()
			if u.Record.GetVersion() <= rising.last {
				rising.bad = append(rising.bad, fmt.Sprintf("%d after %d", u.Record.GetVersion(), rising.last))
			}
			rising.last = u.Record.GetVersion()
		}, func(string) {})
	})

	var wg sync.WaitGroup
	for w := range writers {
		random := rand.New(rand.NewPCG(uint64(w), 1))
		writer := s.Connect(t)
		wg.Go(func() {
			for _, v := range random.Perm(versions) {
				rec := record(int64(v+1), fmt.Sprint("writer ", w))
				err := writer.PutState(testContext(t), "eu-central", bus.AccessBucket("eu-central", 0), grantKey, rec)
				if err != nil {
					t.Errorf("version %d: %v", v+1, err)
				}
			}
		})
	}
	wg.Wait()
	if rec, _ := held(t, b, grantKey); rec.GetVersion() != versions {
		t.Fatalf("holds version %d, the highest written is %d", rec.GetVersion(), versions)
	}
	eventually(t, "the watcher sees the highest version", func() bool { return replicas.version(grantKey) == versions })
	rising.Lock()
	defer rising.Unlock()
	if len(rising.bad) > 0 {
		t.Fatalf("versions did not rise: %v", rising.bad)
	}
}

func TestPutAfterAPurgeWritesAgain(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	put(t, b, "eu-central", grantKey, record(3, "granted"))
	kv, err := b.Bucket(testContext(t), bus.AccessBucket("eu-central", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(testContext(t), grantKey); err != nil {
		t.Fatal(err)
	}
	put(t, b, "eu-central", grantKey, record(4, "granted"))
	if rec, _ := held(t, b, grantKey); rec.GetVersion() != 4 {
		t.Fatalf("holds %v", rec)
	}
}

func TestPutWithTheBrokerDownSaysUnavailable(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	put(t, b, "eu-central", grantKey, record(1, "granted"))
	s.Stop()
	for range 2 {
		err := b.PutState(testContext(t), "eu-central", bus.AccessBucket("eu-central", 0), grantKey, record(2, "granted"))
		if !errors.Is(err, bus.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		err = b.PublishEvent(testContext(t), bus.Subject(event(1)), event(1))
		if !errors.Is(err, bus.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
	}
	s.Restart(t)
	eventually(t, "the bus is connected again", b.Connected)
	put(t, b, "eu-central", grantKey, record(2, "granted"))
}
