package bus

import (
	"context"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// headerCarrier keeps the keys as they are: W3C's header names are lower case and NATS header keys are case-sensitive.
type headerCarrier nats.Header

func (h headerCarrier) Get(key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (h headerCarrier) Set(key, value string) { h[key] = []string{value} }

func (h headerCarrier) Keys() []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	return keys
}

var _ propagation.TextMapCarrier = headerCarrier{}

// startPublish opens the span of a publish under the event's own trace: the transaction that wrote it, not the relay's loop.
func (b *Bus) startPublish(ctx context.Context, ev *typev1.Event) (context.Context, trace.Span) {
	return b.tracer.Start(b.under(ctx, ev.GetTraceparent()), "publish "+ev.GetKind(),
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(eventAttributes(ev)...))
}

// startConsume opens the span of handling an event as child of its publisher's: of the message's header, else the envelope.
func (b *Bus) startConsume(ctx context.Context, header nats.Header, ev *typev1.Event, consumer string) (context.Context, trace.Span) {
	parent := headerCarrier(header).Get("traceparent")
	if parent == "" {
		parent = ev.GetTraceparent()
	}
	attributes := append(eventAttributes(ev), attribute.String("messaging.consumer.group.name", consumer))
	return b.tracer.Start(b.under(ctx, parent), "consume "+ev.GetKind(),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes...))
}

func (b *Bus) under(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return b.propagator.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

func eventAttributes(ev *typev1.Event) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.message.id", ev.GetId()),
		attribute.String("cardea.org", ev.GetOrgId()),
	}
}
