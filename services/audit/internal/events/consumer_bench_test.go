package events_test

import (
	"log/slog"
	"testing"
	"time"

	"context"
	"github.com/cardea-mesh/cardea/services/audit/internal/events"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"go.opentelemetry.io/otel/trace/noop"
)

// Events from the stream into one ledger in a second, with a stream that is full when the consumer begins.
func BenchmarkConsume(b *testing.B) {
	const waiting = 5_000
	for b.Loop() {
		b.StopTimer()
		broker := bustest.Start(b)
		r := &rig{broker: broker, bus: broker.Connect(b), org: region.NewID(region.Organization, "euc")}
		store := postgres.New(dbtest.New(b, postgres.Schema, postgres.Migrations()))
		fillStream(b, r, waiting)
		c := &events.Consumer{
			Bus: r.bus, Store: store, Regions: dbtest.Regions(b), Region: "eu-central", Now: time.Now,
			Logger: slog.New(slog.DiscardHandler), Tracer: noop.NewTracerProvider(),
		}
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		b.StartTimer()
		go func() { ended <- c.Run(ctx) }()
		for head := (ledger.Head{}); head.Size < waiting; time.Sleep(time.Millisecond) {
			var err error
			if head, err = store.Head(ctx, ledger.ID{Org: r.org, Region: "eu-central"}); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(waiting*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func fillStream(b *testing.B, r *rig, n int) {
	b.Helper()
	var acks []*bus.Ack
	for i := range n {
		ack, err := r.bus.PublishAsync(r.event(i))
		if err != nil {
			b.Fatal(err)
		}
		if acks = append(acks, ack); len(acks) < 1000 && i < n-1 {
			continue
		}
		for _, ack := range acks { // the bus keeps only so many answers outstanding
			if err := ack.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		acks = nil
	}
}
