package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ServiceEvents matches every event of a service whose home is the region.
func ServiceEvents(r region.Name, service string) string {
	return "cardea." + string(r) + "." + service + ".>"
}

// Overhear tells of events of the own region's stream as they come, and of none that came before: for copies that have
// another way to find out what they missed. It leaves no place in the stream behind, so each instance hears all, and what
// comes while the broker is away is not told afterwards. tell is called from one goroutine and must not wait. Overhear
// returns nil when ctx ends.
func (b *Bus) Overhear(ctx context.Context, subjects string, tell func(*typev1.Event)) error {
	for try := 0; ; try++ {
		began := time.Now()
		err := b.overhear(ctx, subjects, tell)
		if ctx.Err() != nil {
			return nil
		}
		b.log.Warn("listening to events interrupted", "subjects", subjects, "error", err)
		if time.Since(began) > 10*time.Second {
			try = 0
		}
		if !pause(ctx, try) {
			return nil
		}
	}
}

func (b *Bus) overhear(ctx context.Context, subjects string, tell func(*typev1.Event)) error {
	setup, cancel := context.WithTimeout(ctx, b.cfg.AckTimeout)
	consumer, err := b.own.CreateConsumer(setup, EventStream(b.cfg.Region), jetstream.ConsumerConfig{
		FilterSubject:     subjects,
		DeliverPolicy:     jetstream.DeliverNewPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		InactiveThreshold: 30 * time.Second,
	})
	cancel()
	if err != nil {
		return fmt.Errorf("make consumer: %w", unavailable(err))
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(time.Second))
	if err != nil {
		return fmt.Errorf("pull: %w", unavailable(err))
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	for {
		msg, err := messages.Next()
		if err != nil { // a missing heartbeat too: the consumer may be gone with its broker
			return err
		}
		ev := &typev1.Event{}
		if err := proto.Unmarshal(msg.Data(), ev); err != nil {
			b.log.Error("event is not readable", "subject", msg.Subject(), "error", err)
			continue
		}
		tell(ev)
	}
}
