package rpc

import (
	"context"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// tracing makes a call a span, and a part of its caller's trace. Where spans are exported they say what otelconnect knows of
// a call; where they are not, nothing is computed that nobody would read.
func tracing(tel *telemetry.Telemetry) (connect.Interceptor, error) {
	if !tel.Exports() {
		return connect.UnaryInterceptorFunc(idsOf(tel)), nil
	}
	return otelconnect.NewInterceptor(
		otelconnect.WithTracerProvider(tel.Tracer), otelconnect.WithMeterProvider(tel.Meter),
		otelconnect.WithPropagator(telemetry.Propagator), otelconnect.WithoutServerPeerAttributes(), otelconnect.WithoutTraceEvents(),
		otelconnect.WithTrustRemote(),
	)
}

// idsOf gives a call its ids, for logs and faults, and for what the call writes and calls, which go on with the trace.
func idsOf(tel *telemetry.Telemetry) connect.UnaryInterceptorFunc {
	tracer := tel.Tracer.Tracer("github.com/cardea-mesh/cardea/services/platform/rpc")
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			carrier := propagation.HeaderCarrier(req.Header())
			if !req.Spec().IsClient && !trace.SpanContextFromContext(ctx).IsValid() {
				ctx = telemetry.Propagator.Extract(ctx, carrier)
			}
			ctx, span := tracer.Start(ctx, strings.TrimPrefix(req.Spec().Procedure, "/"))
			defer span.End()
			if req.Spec().IsClient {
				telemetry.Propagator.Inject(ctx, carrier)
			}
			return next(ctx, req)
		}
	}
}
