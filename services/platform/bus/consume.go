package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/codes"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// Consumer is a durable place in the own region's event stream. All instances of a service share one by its name.
type Consumer struct {
	// Durable is its name, unique in the region: `<service>-<what for>`, letters, digits, `-` and `_`.
	Durable string
	// Subjects that it wants; empty: all of the region.
	Subjects []string
	// Concurrency is how many handlers may run at once, over all instances. 1 (default) keeps the stream's order: an event
	// that fails holds back those after it. More gives up order.
	Concurrency int
	// AckWait is how long a silent instance keeps an event before another gets it; default 10 s. A running handler is not
	// silent: it is kept alive as long as it runs.
	AckWait time.Duration
	// LastRetry bounds the delay of the redelivery of a failed event, which begins with 50 ms and doubles; default 30 s.
	LastRetry time.Duration
}

// firstRetry is the delay of the first redelivery.
const firstRetry = 50 * time.Millisecond

// How an instance asks the broker for events.
const (
	// askAhead is how many it asks for at least; MaxAckPending bounds how many it gets. With a Concurrency of 1 and one asked
	// for at a time, nats.go (1.55) may forget to ask: an event that comes before the goroutine that asked for it runs on finds
	// the asking still under way, so the next is asked for only when heartbeats are missed. Asked for ahead, each
	// of the events until half of them came is another occasion.
	askAhead = 256
	// askedFor bounds how long an instance that stands still is sent events, each of which then waits for its AckWait.
	askedFor = 5 * time.Second
	// heartbeat shows that what was asked for is still known; when two are missed it is asked for again.
	heartbeat = time.Second
)

// Consume hands every event to handle and acknowledges those for which it returned nil; the others come again, later and
// later. The same event may come twice: handle deduplicates by event id in its own transaction. handle's ctx has the span
// `consume <kind>`. Consume survives the loss of the broker and returns nil when ctx ends; another error is a wrong Consumer.
func (b *Bus) Consume(ctx context.Context, c Consumer, handle func(context.Context, *typev1.Event) error) error {
	return b.consume(ctx, c, func(c Consumer, messages jetstream.MessagesContext) error {
		var handlers errgroup.Group
		handlers.SetLimit(c.Concurrency)
		for {
			msg, err := next(messages)
			if err != nil {
				return errors.Join(err, handlers.Wait())
			}
			handlers.Go(func() error {
				b.handle(ctx, c, msg, handle)
				return nil
			})
		}
	})
}

// consume runs read over the consumer's messages, again and again until ctx ends.
func (b *Bus) consume(ctx context.Context, c Consumer, read func(Consumer, jetstream.MessagesContext) error) error {
	if c.Durable == "" {
		return errors.New("bus: consumer without a durable name")
	}
	c.Concurrency = max(c.Concurrency, 1)
	if c.AckWait == 0 {
		c.AckWait = 10 * time.Second
	}
	if c.LastRetry == 0 {
		c.LastRetry = 30 * time.Second
	}
	if len(c.Subjects) == 0 {
		c.Subjects = []string{EventSubjects(b.cfg.Region)}
	}
	for try := 0; ; try++ {
		began := time.Now()
		err := b.consumeUntilBroken(ctx, c, read)
		if ctx.Err() != nil {
			return nil
		}
		b.log.Warn("consumer interrupted", "consumer", c.Durable, "error", err)
		if time.Since(began) > 10*time.Second {
			try = 0
		}
		if !pause(ctx, try) {
			return nil
		}
	}
}

func (b *Bus) consumeUntilBroken(ctx context.Context, c Consumer, read func(Consumer, jetstream.MessagesContext) error) error {
	setupCtx, cancel := context.WithTimeout(ctx, b.cfg.AckTimeout)
	consumer, err := b.own.CreateOrUpdateConsumer(setupCtx, EventStream(b.cfg.Region), jetstream.ConsumerConfig{
		Durable:        c.Durable,
		FilterSubjects: c.Subjects,
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        c.AckWait,
		MaxDeliver:     -1,
		MaxAckPending:  c.Concurrency, // the broker holds back the rest, over all instances: this is what keeps the order
	})
	cancel()
	if err != nil {
		return fmt.Errorf("make consumer: %w", unavailable(err))
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(max(c.Concurrency, askAhead)), jetstream.PullExpiry(askedFor), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return fmt.Errorf("pull: %w", unavailable(err))
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	return read(c, messages)
}

// next waits for a message.
func next(messages jetstream.MessagesContext, opts ...jetstream.NextOpt) (jetstream.Msg, error) {
	for {
		msg, err := messages.Next(opts...)
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the broker may be away; the iterator pulls again when it is back
		}
		return msg, err
	}
}

// handle runs one delivery to its acknowledgement.
func (b *Bus) handle(ctx context.Context, c Consumer, msg jetstream.Msg, handle func(context.Context, *typev1.Event) error) {
	ev := &typev1.Event{}
	if err := proto.Unmarshal(msg.Data(), ev); err != nil {
		// It stays in the stream, but no retry can make it readable.
		b.log.Error("event is not readable", "consumer", c.Durable, "subject", msg.Subject(), "error", err)
		_ = msg.TermWithReason("not a cardea.type.v1.Event")
		return
	}
	ctx, span := b.startConsume(ctx, msg.Headers(), ev, c.Durable)
	defer span.End()
	err := keptAlive(ctx, c.AckWait, func() error { return handle(ctx, ev) }, msg)
	if err == nil {
		// An acknowledgement that is lost brings the event again, which handle must bear anyhow.
		if err := msg.Ack(); err != nil {
			b.log.WarnContext(ctx, "event not acknowledged", "consumer", c.Durable, "event", ev.GetId(), "error", err)
		}
		return
	}
	span.RecordError(err)
	span.SetStatus(codes.Error, "handler failed")
	if ctx.Err() != nil {
		_ = msg.Nak() // stopping: another instance may have it at once
		return
	}
	delay := c.retryDelay(msg)
	b.log.WarnContext(ctx, "event handler failed", "consumer", c.Durable, "event", ev.GetId(), "kind", ev.GetKind(), "retry_in", delay, "error", err)
	_ = msg.NakWithDelay(delay)
}

// keptAlive runs fn and tells the broker meanwhile that it still runs.
func keptAlive(ctx context.Context, ackWait time.Duration, fn func() error, messages ...jetstream.Msg) error {
	done := make(chan struct{})
	defer close(done)
	go func() {
		tick := time.NewTicker(ackWait / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				for _, msg := range messages {
					_ = msg.InProgress()
				}
			}
		}
	}()
	return fn()
}

func (c Consumer) retryDelay(msg jetstream.Msg) time.Duration {
	meta, err := msg.Metadata()
	if err != nil || meta.NumDelivered == 0 {
		return firstRetry
	}
	return min(firstRetry<<min(meta.NumDelivered-1, 16), c.LastRetry)
}
