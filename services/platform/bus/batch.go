package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// Delivery is one message of a batch, as it came.
type Delivery struct {
	Subject string
	Data    []byte
	// Event is what Data says; nil when it is not readable, and then Err says why.
	Event *typev1.Event
	Err   error

	ctx  context.Context
	span trace.Span
	msg  jetstream.Msg
}

// Context has the delivery's span, `consume <kind>`, a child of its publisher's; it ends when the handler has returned.
func (d *Delivery) Context() context.Context { return d.ctx }

// gathering is how long a batch waits for one more message before it is handed over.
const gathering = time.Millisecond

// ConsumeBatches is Consume for whoever does many events in one transaction: handle gets what is at hand, in the stream's
// order, at most c.Concurrency deliveries (which counts over all instances), and one batch at a time. nil acknowledges
// all of them; after an error all come again, later, perhaps in another batch and after events that came behind them.
// Messages that are not events are handed over too: they are the handler's to keep.
func (b *Bus) ConsumeBatches(ctx context.Context, c Consumer, handle func(context.Context, []*Delivery) error) error {
	return b.consume(ctx, c, func(c Consumer, messages jetstream.MessagesContext) error {
		for {
			batch, err := b.gather(ctx, c, messages)
			if err != nil {
				return err
			}
			b.handleBatch(ctx, c, batch, handle)
		}
	})
}

// gather waits for one message, then takes those that are there already.
func (b *Bus) gather(ctx context.Context, c Consumer, messages jetstream.MessagesContext) ([]*Delivery, error) {
	msg, err := next(messages)
	if err != nil {
		return nil, err
	}
	batch := []*Delivery{b.deliver(ctx, c, msg)}
	for len(batch) < c.Concurrency {
		msg, err := messages.Next(jetstream.NextMaxWait(gathering))
		if err != nil {
			break // nothing more at hand; a broken iterator says so again at the next wait
		}
		batch = append(batch, b.deliver(ctx, c, msg))
	}
	return batch, nil
}

func (b *Bus) deliver(ctx context.Context, c Consumer, msg jetstream.Msg) *Delivery {
	d := &Delivery{Subject: msg.Subject(), Data: msg.Data(), msg: msg}
	event := new(typev1.Event)
	if d.Err = proto.Unmarshal(d.Data, event); d.Err == nil {
		d.Event = event
	}
	d.ctx, d.span = b.startConsume(ctx, msg.Headers(), event, c.Durable)
	return d
}

func (b *Bus) handleBatch(ctx context.Context, c Consumer, batch []*Delivery, handle func(context.Context, []*Delivery) error) {
	messages := make([]jetstream.Msg, len(batch))
	for i, d := range batch {
		messages[i] = d.msg
	}
	err := keptAlive(ctx, c.AckWait, func() error { return handle(ctx, batch) }, messages...)
	for _, d := range batch {
		d.settle(ctx, c, err)
	}
	if err != nil && ctx.Err() == nil {
		b.log.Warn("batch handler failed", "consumer", c.Durable, "events", len(batch), "retry_in", c.retryDelay(batch[0].msg), "error", err)
	}
}

// settle tells the broker the outcome. What it does not hear comes again, which handlers must bear anyhow.
func (d *Delivery) settle(ctx context.Context, c Consumer, err error) {
	defer d.span.End()
	switch {
	case err == nil:
		_ = d.msg.Ack()
		return
	case ctx.Err() != nil:
		_ = d.msg.Nak() // stopping: another instance may have it at once
	default:
		_ = d.msg.NakWithDelay(c.retryDelay(d.msg))
	}
	d.span.RecordError(err)
	d.span.SetStatus(codes.Error, "handler failed")
}
