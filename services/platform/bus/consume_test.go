package bus_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
)

func publish(t *testing.T, b *bus.Bus, ev *typev1.Event) {
	t.Helper()
	if err := b.PublishEvent(testContext(t), bus.Subject(ev), ev); err != nil {
		t.Fatal(err)
	}
}

func TestAnEventPublishedTwiceIsStoredOnce(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	for n := range 3 {
		publish(t, b, event(n))
		publish(t, b, event(n))
	}
	publish(t, b, event(99))
	var got inbox
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, bus.Consumer{Durable: "audit"}, func(_ context.Context, ev *typev1.Event) error {
			got.add(ev)
			return nil
		})
	})
	eventually(t, "the last event", func() bool { return slices.Contains(got.all(), event(99).GetId()) })
	if ids := got.all(); len(ids) != 4 {
		t.Fatalf("consumed %v", ids)
	}
}

func TestAFailingHandlerHoldsBackWhatComesAfter(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	for n := range 6 {
		publish(t, b, event(n))
	}
	var got inbox
	var failures atomic.Int32
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, bus.Consumer{Durable: "audit"}, func(_ context.Context, ev *typev1.Event) error {
			if ev.GetVersion() == 2 && failures.Add(1) <= 3 {
				return errors.New("database is down")
			}
			got.add(ev)
			return nil
		})
	})
	eventually(t, "all events", func() bool { return len(got.all()) == 6 })
	if ids := got.all(); !slices.IsSorted(ids) {
		t.Fatalf("order lost: %v", ids)
	}
	if n := failures.Load(); n != 4 {
		t.Fatalf("tried %d times, want 3 failures and a success", n)
	}
}

func TestAConsumerThatDiesBeforeItsAckLosesNothing(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	for n := range 3 {
		publish(t, b, event(n))
	}
	consumer := bus.Consumer{Durable: "audit", AckWait: 500 * time.Millisecond}

	// The first instance loses its connection while it handles event 1: no ack, no nak, as after kill -9.
	dying := s.Connect(t)
	var first inbox
	reached := make(chan struct{})
	background(t, func(ctx context.Context) error {
		return dying.Consume(ctx, consumer, func(ctx context.Context, ev *typev1.Event) error {
			first.add(ev)
			if ev.GetVersion() == 1 {
				dying.Close()
				close(reached)
				<-ctx.Done()
			}
			return ctx.Err()
		})
	})
	<-reached
	var second inbox
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, consumer, func(_ context.Context, ev *typev1.Event) error {
			second.add(ev)
			return nil
		})
	})
	want := []string{event(1).GetId(), event(2).GetId()}
	eventually(t, "the second instance gets the rest", func() bool { return len(second.all()) >= 2 })
	if got := second.all(); !slices.Equal(got, want) {
		t.Fatalf("second instance got %v after the first had %v", got, first.all())
	}
}

func TestARunningHandlerIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	publish(t, b, event(0))
	publish(t, b, event(1))
	var got inbox
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, bus.Consumer{Durable: "audit", AckWait: 300 * time.Millisecond}, func(ctx context.Context, ev *typev1.Event) error {
			got.add(ev)
			if ev.GetVersion() == 0 {
				<-time.After(time.Second) // more than three times the broker's patience
			}
			return nil
		})
	})
	eventually(t, "both events", func() bool { return slices.Contains(got.all(), event(1).GetId()) })
	if ids := got.all(); len(ids) != 2 {
		t.Fatalf("delivered again while it ran: %v", ids)
	}
}

func TestNothingIsLostWhenTheBrokerRestarts(t *testing.T) {
	t.Parallel()
	const events = 60
	s := bustest.Start(t)
	b := s.Connect(t)
	var got inbox
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, bus.Consumer{Durable: "audit", AckWait: time.Second}, func(_ context.Context, ev *typev1.Event) error {
			got.add(ev)
			return nil
		})
	})
	for n := range events {
		if n == 20 || n == 40 {
			s.Restart(t)
		}
		eventually(t, "the publish is acknowledged", func() bool {
			return b.PublishEvent(testContext(t), bus.Subject(event(n)), event(n)) == nil
		})
	}
	eventually(t, "the last event", func() bool { return slices.Contains(got.all(), event(events-1).GetId()) })
	ids := slices.Compact(got.all()) // a lost acknowledgement may bring an event again
	if len(ids) != events || !slices.IsSorted(ids) {
		t.Fatalf("%d of %d events, sorted %v: %v", len(ids), events, slices.IsSorted(ids), ids)
	}
}

func TestPublishAsyncAcknowledgesInOrderAndFailsWhenTheBrokerGoes(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	b := s.Connect(t)
	var acks []*bus.Ack
	for n := range 100 {
		ack, err := b.PublishAsync(event(n))
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, ack)
	}
	for n, ack := range acks {
		if err := ack.Wait(testContext(t)); err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
	}
	s.Stop()
	ack, err := b.PublishAsync(event(100))
	if err == nil {
		err = ack.Wait(testContext(t))
	}
	if !errors.Is(err, bus.ErrUnavailable) {
		t.Fatalf("without a broker: %v", err)
	}
}

func TestAConsumedEventContinuesItsPublishersTrace(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	s := bustest.Start(t)
	s.Connect(t)
	cfg := s.Config()
	cfg.Tracer = provider
	b, err := bus.Connect(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)

	ev := event(1)
	ev.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	eventually(t, "published", func() bool { return b.PublishEvent(testContext(t), bus.Subject(ev), ev) == nil })
	background(t, func(ctx context.Context) error {
		return b.Consume(ctx, bus.Consumer{Durable: "audit"}, func(context.Context, *typev1.Event) error { return nil })
	})
	byName := map[string]tracetest.SpanStub{}
	eventually(t, "both spans", func() bool {
		for _, span := range spans.GetSpans() {
			byName[span.Name] = span
		}
		return len(byName) == 2
	})
	sent, received := byName["publish grant_created"], byName["consume grant_created"]
	if got := sent.Parent.SpanID().String(); got != "b7ad6b7169203331" {
		t.Errorf("the publish is under %s, not the writing transaction", got)
	}
	if received.Parent.SpanID() != sent.SpanContext.SpanID() || received.SpanContext.TraceID() != sent.SpanContext.TraceID() {
		t.Errorf("consume is not the publish's child: %v under %v", received.SpanContext, received.Parent)
	}
}
