package outbox

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

type (
	actorKey struct{}
	causeKey struct{}
)

// WithActor notes who acts: the id of an API key, person or device, or a service's name. Events carry it.
func WithActor(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, actorKey{}, id)
}

// Actor returns what WithActor noted.
func Actor(ctx context.Context) string {
	id, _ := ctx.Value(actorKey{}).(string)
	return id
}

// WithCause notes the event or request that leads to the next commits. Events carry it.
func WithCause(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, causeKey{}, id)
}

// notes is what a commit takes from its context.
type notes struct{ actor, cause, traceparent string }

func notesFrom(ctx context.Context) notes {
	cause, _ := ctx.Value(causeKey{}).(string)
	return notes{actor: Actor(ctx), cause: cause, traceparent: traceparent(ctx)}
}

// traceparent is W3C's, empty without a trace.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// withTraceparent makes later spans children of the commit's.
func withTraceparent(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}
