package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// Propagator carries trace context in headers: W3C traceparent and tracestate.
//
//nolint:gochecknoglobals // stateless; a constant in all but the language's sense
var Propagator propagation.TextMapPropagator = propagation.TraceContext{}

// Traceparent returns the context's span as a W3C traceparent; empty when there is none.
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	Propagator.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// WithTraceparent returns ctx with the span that tp names as its remote parent. A tp that is empty or malformed changes nothing.
func WithTraceparent(ctx context.Context, tp string) context.Context {
	if tp == "" {
		return ctx
	}
	return Propagator.Extract(ctx, propagation.MapCarrier{"traceparent": tp})
}
