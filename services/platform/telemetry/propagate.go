package telemetry

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Propagator carries trace context in headers: W3C traceparent and tracestate.
//
//nolint:gochecknoglobals // stateless; a constant in all but the language's sense
var Propagator propagation.TextMapPropagator = propagation.TraceContext{}

// Traceparent returns the context's span as a W3C traceparent, as Propagator writes it; empty when there is none.
func Traceparent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}
	traceID, spanID, flags := span.TraceID(), span.SpanID(), span.TraceFlags()&(trace.FlagsSampled|trace.FlagsRandom)
	tp := append(make([]byte, 0, traceparentLength), "00-"...)
	tp = append(hex.AppendEncode(tp, traceID[:]), '-')
	tp = append(hex.AppendEncode(tp, spanID[:]), '-')
	return string(hex.AppendEncode(tp, []byte{byte(flags)}))
}

// traceparentLength is a traceparent's of version 0, in bytes.
const traceparentLength = 2 + 1 + 32 + 1 + 16 + 1 + 2

// WithTraceparent returns ctx with the span that tp names as its remote parent. A tp that is empty or malformed changes nothing.
func WithTraceparent(ctx context.Context, tp string) context.Context {
	if tp == "" {
		return ctx
	}
	return Propagator.Extract(ctx, propagation.MapCarrier{"traceparent": tp})
}
