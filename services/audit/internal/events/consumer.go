// Package events brings what happened in a region from its stream into the ledgers.
//
// Promises:
//   - every event of the stream is in its ledger once: it is acknowledged after the commit that appended it, and one that comes
//     again is passed over;
//   - nothing holds up the rest: what cannot go into a ledger (not an event, or one that contradicts the subject it came on) is
//     parked with the reason, as it came, and logged;
//   - nothing is lost: with the database down, nothing is acknowledged, and the stream keeps it.
//
// Several instances may consume a region at once. Then, and after failures, the order in a ledger is the order in which the
// transactions won, which can differ a little from the stream's.
package events

import (
	"context"
	"log/slog"
	"time"

	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Durable is the name of the consumer on the stream, which all instances of the region share.
const Durable = "audit-ledger"

// maxBatch is how many events one transaction takes at most. With 512 a batch of ordinary events is half a megabyte, and the
// cost of a commit is spread so thin that more gains nothing (README, "How fast").
const maxBatch = 512

// lastRetry bounds how long after the database's return the first events come again.
const lastRetry = time.Second

// Store is where ledgers are kept.
type Store interface {
	// Append puts each event into its ledger once, all or none.
	Append(ctx context.Context, in region.Name, events []ledger.Event, at time.Time) (appended int, err error)
	// Park keeps a message aside, once.
	Park(ctx context.Context, in region.Name, p postgres.Parked, at time.Time) error
}

// Consumer takes the events of one region.
type Consumer struct {
	Bus     *bus.Bus
	Store   Store
	Regions *region.Map
	Region  region.Name
	Logger  *slog.Logger
	Tracer  trace.TracerProvider
	Now     func() time.Time
	// AckWait: see bus.Consumer; 0: its default.
	AckWait time.Duration
}

// Run consumes until ctx ends.
func (c *Consumer) Run(ctx context.Context) error {
	return c.Bus.ConsumeBatches(ctx, bus.Consumer{Durable: Durable, Concurrency: maxBatch, AckWait: c.AckWait, LastRetry: lastRetry}, c.take)
}

// item is a delivery on its way into a ledger.
type item struct {
	delivery *bus.Delivery
	event    ledger.Event
	span     trace.Span
}

// take brings one batch to where it belongs; nil means that all of it may be acknowledged.
func (c *Consumer) take(ctx context.Context, batch []*bus.Delivery) error {
	var items []item
	for _, d := range batch {
		e, unreadable, err := toLedger(c.Regions, c.Region, d, c.Now())
		if err != nil {
			if err := c.park(d, err); err != nil {
				return err
			}
			continue
		}
		if unreadable != nil {
			c.Logger.WarnContext(d.Context(), "the payload is not readable; the event is in the ledger, but not found by door or person",
				"event", e.ID, "kind", e.Kind, "error", unreadable)
		}
		items = append(items, item{delivery: d, event: e})
	}
	if len(items) == 0 {
		return nil
	}
	err := c.append(ctx, items)
	if postgres.Refused(err) {
		return c.oneByOne(ctx, items)
	}
	return err
}

// append puts the items into their ledgers in one transaction. Each event's own trace gets a span of it; the statements are
// in the trace of the first.
func (c *Consumer) append(ctx context.Context, items []item) error {
	events := make([]ledger.Event, len(items))
	tracer := c.Tracer.Tracer("github.com/cardea-mesh/cardea/services/audit/internal/events")
	for i := range items {
		events[i] = items[i].event
		_, items[i].span = tracer.Start(items[i].delivery.Context(), "ledger.append", trace.WithAttributes(
			telemetry.OrgKey.String(string(events[i].Org)), telemetry.EventKey.String(events[i].ID),
			telemetry.EventKindKey.String(events[i].Kind), attribute.Int("cardea.batch", len(items))))
	}
	_, err := c.Store.Append(trace.ContextWithSpan(ctx, items[0].span), c.Region, events, c.Now())
	for _, it := range items {
		if err != nil {
			it.span.SetStatus(codes.Error, "not appended")
		}
		it.span.End()
	}
	return err
}

// oneByOne finds the events of a batch that the database refuses, and parks them.
func (c *Consumer) oneByOne(ctx context.Context, items []item) error {
	for i := range items {
		err := c.append(ctx, items[i:i+1])
		if postgres.Refused(err) {
			err = c.park(items[i].delivery, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Consumer) park(d *bus.Delivery, why error) error {
	ctx := d.Context()
	if err := c.Store.Park(ctx, c.Region, postgres.Parked{Subject: d.Subject, Data: d.Data, Why: why}, c.Now()); err != nil {
		return err
	}
	c.Logger.ErrorContext(ctx, "message parked: it is in no ledger", "subject", d.Subject, "bytes", len(d.Data), "error", why)
	return nil
}
