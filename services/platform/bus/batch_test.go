package bus_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/nats-io/nats.go"
)

func TestABatchHasWhatIsAtHandInOrder(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	const events, most = 50, 16
	for n := range events {
		publish(t, b, event(n))
	}
	var got inbox
	var batches, calls atomic.Int32
	background(t, func(ctx context.Context) error {
		return b.ConsumeBatches(ctx, bus.Consumer{Durable: "ledger", Concurrency: most}, func(_ context.Context, batch []*bus.Delivery) error {
			if len(batch) > most {
				t.Errorf("a batch of %d", len(batch))
			}
			if calls.Add(1) == 4 {
				return errors.New("database is down")
			}
			batches.Add(1)
			for _, d := range batch {
				if d.Subject != bus.Subject(d.Event) || d.Context() == nil {
					t.Errorf("event %s came on %s", d.Event.GetId(), d.Subject)
				}
				got.add(d.Event)
			}
			return nil
		})
	})
	eventually(t, "every event", func() bool { return len(got.all()) >= events })
	ids := got.all()
	if first := ids[:3]; !slices.IsSorted(first) || batches.Load() > events/2 {
		t.Errorf("%d batches for %d events, the first %v", batches.Load(), events, first)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != events {
		t.Fatalf("%d different events, want %d", len(ids), events)
	}
}

func TestWhatIsNotAnEventReachesTheBatchAsItCame(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const subject = "cardea.eu-central.permissions.org_euc_1.nonsense"
	if _, err := nc.Request(subject, []byte("\xff nonsense"), limit); err != nil { // the stream's acknowledgement
		t.Fatal(err)
	}
	publish(t, b, event(1))
	var got inbox
	var odd atomic.Int32
	background(t, func(ctx context.Context) error {
		return b.ConsumeBatches(ctx, bus.Consumer{Durable: "ledger", Concurrency: 4}, func(_ context.Context, batch []*bus.Delivery) error {
			for _, d := range batch {
				if d.Event != nil {
					got.add(d.Event)
				} else if d.Err != nil && d.Subject == subject && string(d.Data) == "\xff nonsense" {
					odd.Add(1)
				}
			}
			return nil
		})
	})
	eventually(t, "both messages", func() bool { return odd.Load() == 1 && len(got.all()) == 1 })
}
