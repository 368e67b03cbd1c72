package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// ids makes spans that are nothing but their ids: what a process needs whose spans nobody takes. A child has its parent's
// trace; a trace that starts here is marked as sampled, so that a process further on, which has a collector, records it.
type ids struct{ embedded.TracerProvider }

func (p ids) Tracer(string, ...trace.TracerOption) trace.Tracer { return idTracer{provider: p} }

type idTracer struct {
	embedded.Tracer
	provider ids
}

// Start implements trace.Tracer.
func (t idTracer) Start(ctx context.Context, _ string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if ctx == nil { // the interface allows it
		ctx = context.Background()
	}
	parent := trace.SpanContextFromContext(ctx)
	if len(options) > 0 {
		if c := trace.NewSpanStartConfig(options...); c.NewRoot() {
			parent = trace.SpanContext{}
		}
	}
	config := trace.SpanContextConfig{
		TraceID: parent.TraceID(), SpanID: newSpanID(), TraceFlags: parent.TraceFlags(), TraceState: parent.TraceState(),
	}
	if !parent.TraceID().IsValid() {
		config.TraceID, config.TraceFlags, config.TraceState = newTraceID(), trace.FlagsSampled, trace.TraceState{}
	}
	span := &idSpan{about: trace.NewSpanContext(config), provider: t.provider}
	return trace.ContextWithSpan(ctx, span), span
}

// idSpan takes and forgets everything but its ids.
type idSpan struct {
	noop.Span
	about    trace.SpanContext
	provider ids
}

func (s *idSpan) SpanContext() trace.SpanContext { return s.about }

// TracerProvider lets a library that finds the span in a context start its children.
func (s *idSpan) TracerProvider() trace.TracerProvider { return s.provider }

// Ids are random, not secret. All zero is no id.
func newTraceID() (id trace.TraceID) {
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64()|1)
	return id
}

func newSpanID() (id trace.SpanID) {
	binary.NativeEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}
