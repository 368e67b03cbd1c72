package telemetry_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"github.com/cardea-mesh/cardea/services/platform/telemetry/telemetrytest"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func TestATraceGoesOnThroughARow(t *testing.T) {
	sink := telemetrytest.Start(t)
	eu := region.Region{Name: "eu-central", Code: "euc", Jurisdiction: "eu"}
	tel, shutdown, err := telemetry.Setup(t.Context(), config.Telemetry{OTLPEndpoint: sink.Endpoint()}, "identity", eu)
	if err != nil {
		t.Fatal(err)
	}
	ctx, write := tel.Tracer.Tracer("test").Start(t.Context(), "write")
	row := telemetry.Traceparent(ctx)
	write.End()
	_, relay := tel.Tracer.Tracer("test").Start(telemetry.WithTraceparent(t.Context(), row), "relay")
	relay.End()
	if err := shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := sink.WaitTrace(t, func(spans []telemetrytest.Span) bool { return len(spans) == 2 })
	if spans[0].Name != "write" || spans[1].Parent != spans[0].SpanID || spans[1].Service != "identity" || spans[1].Region != "eu-central" {
		t.Fatal(telemetrytest.Format(spans))
	}
}

func TestACollectorThatIsAwayDoesNotHoldUpTheStop(t *testing.T) {
	tel, shutdown, err := telemetry.Setup(t.Context(), config.Telemetry{OTLPEndpoint: "127.0.0.1:1", LogLevel: "error"}, "identity", region.Region{Name: "eu-central"})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer.Tracer("test").Start(t.Context(), "work")
	span.End()
	start := time.Now()
	if err := shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLogLinesCarryTheTrace(t *testing.T) {
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, slog.LevelInfo).With("a", "b")
	ctx := telemetry.WithTraceparent(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	logger.InfoContext(ctx, "hello")
	logger.DebugContext(ctx, "hidden")
	for _, want := range []string{`"trace_id":"0af7651916cd43dd8448eb211c80319c"`, `"span_id":"b7ad6b7169203331"`, `"a":"b"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s misses %s", out.String(), want)
		}
	}
	if strings.Contains(out.String(), "hidden") {
		t.Error("a debug line at level info")
	}
}

func TestNoTraceparentChangesNothing(t *testing.T) {
	for _, tp := range []string{"", "garbage", "00-00000000000000000000000000000000-0000000000000000-00"} {
		if got := telemetry.Traceparent(telemetry.WithTraceparent(t.Context(), tp)); got != "" {
			t.Errorf("%q became %q", tp, got)
		}
	}
}

func TestATraceparentIsThePropagators(t *testing.T) {
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled, trace.FlagsSampled | trace.FlagsRandom, 0xff} {
		ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1, 0xab}, SpanID: trace.SpanID{0xcd, 2}, TraceFlags: flags,
		}))
		carrier := propagation.MapCarrier{}
		telemetry.Propagator.Inject(ctx, carrier)
		if got := telemetry.Traceparent(ctx); got == "" || got != carrier["traceparent"] {
			t.Errorf("%s, and the propagator says %s", got, carrier["traceparent"])
		}
	}
}
