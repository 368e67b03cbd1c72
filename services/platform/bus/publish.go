package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// PublishEvent publishes one event to its home region's stream and returns nil when it is on that stream's disk, or
// was already. ErrUnavailable: unknown whether it is; publish it again.
func (b *Bus) PublishEvent(ctx context.Context, subject string, ev *typev1.Event) error {
	ctx, span := b.startPublish(ctx, ev)
	defer span.End()
	msg, err := b.message(ctx, subject, ev)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, b.cfg.AckTimeout)
		defer cancel()
		_, err = b.own.PublishMsg(ctx, msg, publishOptions(ev)...)
	}
	if err != nil {
		span.RecordError(err)
		return fmt.Errorf("publish %s %s: %w", ev.GetKind(), ev.GetId(), unavailable(err))
	}
	return nil
}

// Ack is the answer to come for one PublishAsync.
type Ack struct {
	id     string
	future jetstream.PubAckFuture
}

// Wait returns nil when the event is on the stream's disk. Its error, also ctx's, means that this is unknown: publish it
// again. It may be called once.
func (a *Ack) Wait(ctx context.Context) error {
	select {
	case <-a.future.Ok():
		return nil
	case err := <-a.future.Err():
		return fmt.Errorf("publish %s: %w", a.id, unavailable(err))
	case <-ctx.Done():
		return fmt.Errorf("publish %s: %w", a.id, ctx.Err())
	}
}

// PublishAsync sends one event to Subject(ev) without waiting for the broker's answer. Events sent by one goroutine arrive in
// their order. It may block for a moment when 4,000 answers are outstanding. An error means that it was not sent.
func (b *Bus) PublishAsync(ev *typev1.Event) (*Ack, error) {
	ctx, span := b.startPublish(context.Background(), ev)
	defer span.End() // the span is the sending; the ledger's own span shows the arrival
	msg, err := b.message(ctx, Subject(ev), ev)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", ev.GetId(), err)
	}
	future, err := b.own.PublishMsgAsync(msg, publishOptions(ev)...)
	if err != nil {
		span.RecordError(err)
		return nil, fmt.Errorf("publish %s: %w", ev.GetId(), unavailable(err))
	}
	return &Ack{id: ev.GetId(), future: future}, nil
}

func (b *Bus) message(ctx context.Context, subject string, ev *typev1.Event) (*nats.Msg, error) {
	if ev.GetId() == "" || ev.GetRegion() == "" {
		return nil, fmt.Errorf("event without id or region")
	}
	body, err := proto.Marshal(ev)
	if err != nil {
		return nil, err
	}
	msg := &nats.Msg{Subject: subject, Data: body, Header: nats.Header{}}
	b.propagator.Inject(ctx, headerCarrier(msg.Header))
	return msg, nil
}

func publishOptions(ev *typev1.Event) []jetstream.PublishOpt {
	return []jetstream.PublishOpt{
		jetstream.WithMsgID(ev.GetId()),
		jetstream.WithExpectStream(EventStream(region.Name(ev.GetRegion()))),
	}
}
