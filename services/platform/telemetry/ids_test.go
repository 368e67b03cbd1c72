package telemetry_test

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// idle is a process that has no collector.
func idle(t *testing.T) trace.Tracer {
	t.Helper()
	tel, shutdown, err := telemetry.Setup(t.Context(), config.Telemetry{}, "identity", region.Region{Name: "eu-central"})
	if err != nil {
		t.Fatal(err)
	}
	if tel.Exports() {
		t.Error("exports to nobody")
	}
	t.Cleanup(func() {
		if err := shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return tel.Tracer.Tracer("test")
}

func TestWithoutACollectorIDsStillTravel(t *testing.T) {
	tracer := idle(t)
	ctx, root := tracer.Start(t.Context(), "write")
	inner, child := tracer.Start(ctx, "statement")
	a, b := root.SpanContext(), child.SpanContext()
	if !a.IsValid() || !a.IsSampled() || root.IsRecording() {
		t.Errorf("root: %+v, recording %v", a, root.IsRecording())
	}
	if b.TraceID() != a.TraceID() || b.SpanID() == a.SpanID() || !b.SpanID().IsValid() || !b.IsSampled() {
		t.Errorf("child %+v of %+v", b, a)
	}
	if want := "00-" + b.TraceID().String() + "-" + b.SpanID().String() + "-01"; telemetry.Traceparent(inner) != want {
		t.Errorf("row has %q, want %q", telemetry.Traceparent(inner), want)
	}
	_, other := child.TracerProvider().Tracer("library").Start(inner, "apart", trace.WithNewRoot())
	if c := other.SpanContext(); !c.IsValid() || c.TraceID() == a.TraceID() {
		t.Errorf("a new root is in the old trace: %+v", c)
	}
}

func TestWithoutACollectorACallersChoiceStays(t *testing.T) {
	const trace128 = "0af7651916cd43dd8448eb211c80319c"
	for _, flags := range []string{"00", "01"} {
		ctx, span := idle(t).Start(telemetry.WithTraceparent(t.Context(), "00-"+trace128+"-b7ad6b7169203331-"+flags), "work")
		if want := "00-" + trace128 + "-" + span.SpanContext().SpanID().String() + "-" + flags; telemetry.Traceparent(ctx) != want {
			t.Errorf("%s, want %s", telemetry.Traceparent(ctx), want)
		}
		if span.SpanContext().IsRemote() {
			t.Error("a span of this process is remote")
		}
	}
}
