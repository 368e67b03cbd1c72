package bus_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
)

func TestWatchLoadsTheWholeThenFollows(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	empty := watch(t, b)
	eventually(t, "an empty bucket is caught up at once", func() bool { return len(empty.levels()) == 1 })

	for n := range 50 {
		put(t, b, "eu-central", fmt.Sprint("org_euc_1.org.membership.", n), record(int64(n+1), "member"))
	}
	late := watch(t, b)
	eventually(t, "caught up", func() bool { return len(late.levels()) == 1 })
	if v := late.version("org_euc_1.org.membership.49"); v != 50 {
		t.Fatalf("caught up without the last fact: version %d", v)
	}
	put(t, b, "eu-central", grantKey, record(60, "granted"))
	eventually(t, "a change follows", func() bool { return late.version(grantKey) == 60 && empty.version(grantKey) == 60 })
}

func TestWatchGoesOnAfterABrokerRestart(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	copied := watch(t, b)
	put(t, b, "eu-central", grantKey, record(1, "granted"))
	eventually(t, "first version", func() bool { return copied.version(grantKey) == 1 })

	// Writes go on while the broker goes away twice; each is tried until it is there, as the relay does.
	for v := int64(2); v <= 21; v++ {
		if v == 7 || v == 14 {
			s.Restart(t)
		}
		eventually(t, "the write is taken", func() bool {
			return b.PutState(testContext(t), "eu-central", bus.AccessBucket("eu-central", 0), grantKey, record(v, "granted")) == nil
		})
	}
	eventually(t, "last version", func() bool { return copied.version(grantKey) == 21 })
	for _, incarnation := range copied.levels() {
		if incarnation != copied.levels()[0] {
			t.Fatalf("a restart is not a new bucket: %v", copied.levels())
		}
	}
}

func TestWatchNoticesARebuiltBucket(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	put(t, b, "eu-central", grantKey, record(5, "granted"))
	copied := watch(t, b)
	eventually(t, "caught up", func() bool { return len(copied.levels()) == 1 })

	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(testContext(t), bus.AccessBucket("eu-central", 0)); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureBuckets(testContext(t)); err != nil {
		t.Fatal(err)
	}
	const other = "org_euc_1.org.membership.1"
	put(t, b, "eu-central", other, record(1, "member"))
	eventually(t, "the new bucket's fact", func() bool { return copied.version(other) == 1 })
	eventually(t, "caught up again", func() bool { return len(copied.levels()) == 2 })
	if levels := copied.levels(); levels[0] == levels[1] {
		t.Fatalf("the rebuilt bucket has the incarnation of the old one: %v", levels)
	}
	if v := copied.version(grantKey); v != 0 {
		t.Fatalf("the old bucket's fact survived: version %d", v)
	}
}

func TestAWatchThatIsNotServedIsNotConnected(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	copied := watch(t, b)
	eventually(t, "caught up", func() bool { return len(copied.levels()) == 1 && b.Connected() })
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(testContext(t), bus.AccessBucket("eu-central", 0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the connection stands and the bucket is gone", func() bool { return !b.Connected() })
	if err := b.EnsureBuckets(testContext(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "caught up again", func() bool { return len(copied.levels()) == 2 && b.Connected() })
}

func TestWatchStartsWithTheBrokerDown(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	s.Connect(t)
	s.Stop()
	b, err := bus.Connect(context.Background(), s.Config())
	if err != nil {
		t.Fatalf("a broker that is down must not stop a service: %v", err)
	}
	t.Cleanup(b.Close)
	copied := watch(t, b)
	s.Restart(t)
	eventually(t, "caught up", func() bool { return len(copied.levels()) > 0 })
}
