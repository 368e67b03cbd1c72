package events_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/events"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"go.opentelemetry.io/otel/trace/noop"
)

// The brokers as they are deployed: TLS, and for audit's certificate the rights that it has there. Each jurisdiction's ledgers
// hold what happened in their own regions and nothing of the other side.
func TestWithTheRightsOfADeployment(t *testing.T) {
	t.Parallel()
	regions := dbtest.Regions(t)
	brokers := bustest.StartRegions(t, regions)
	eu := postgres.New(dbtest.New(t, postgres.Schema, postgres.Migrations()))
	us := postgres.New(dbtest.Make(t, dbtest.Options{Schema: postgres.Schema, Regions: dbtest.US(t), Sets: sets()}).DB)
	org := region.NewID(region.Organization, "euc")
	stores := map[region.Name]*postgres.Store{"eu-central": eu, "eu-west": eu, "us-east": us}
	for in, store := range stores {
		b := brokers.Connect(t, in, "audit")
		if err := b.EnsureStreams(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := &events.Consumer{
			Bus: b, Store: store, Regions: regions, Region: in, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Tracer: noop.NewTracerProvider(),
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	for in := range stores {
		b := brokers.Connect(t, in, "permissions")
		ev := &typev1.Event{Id: "event_of_" + string(in), Region: string(in), OrgId: string(org), Service: "permissions", Kind: "zone_created"}
		eventually(t, func() bool { return b.PublishEvent(t.Context(), bus.Subject(ev), ev) == nil })
	}
	for in, store := range stores {
		id := ledger.ID{Org: org, Region: in}
		eventually(t, func() bool { head, err := store.Head(t.Context(), id); return err == nil && head.Size == 1 })
		entries, _, err := store.Entries(t.Context(), id, 0, 10)
		if err != nil || len(entries) != 1 || entries[0].EventID != "event_of_"+string(in) {
			t.Fatalf("%s: %v, %v", in, entries, err)
		}
	}
}
