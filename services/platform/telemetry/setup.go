package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Telemetry is what constructors take.
type Telemetry struct {
	Logger *slog.Logger
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
}

// Exports says whether anybody may take the spans. If not they are only ids, and describing them is waste.
func (t *Telemetry) Exports() bool {
	_, onlyIDs := t.Tracer.(ids)
	return !onlyIDs
}

// Bounds of the export. An endpoint that does not answer costs spans, never a process its work or its clean stop.
const (
	exportEvery   = time.Second
	exportTimeout = 5 * time.Second
	flushTimeout  = 2 * time.Second
)

// Setup makes a process's telemetry. Logs go to stderr. Without an endpoint spans are only ids, which appear in logs and faults
// and travel on, and nothing is recorded. shutdown flushes, for at most 2 s; call it last. Spans that cannot be delivered are dropped with
// a warning.
func Setup(ctx context.Context, cfg config.Telemetry, service string, r region.Region) (*Telemetry, func(context.Context) error, error) {
	level, err := cfg.Level()
	if err != nil {
		return nil, nil, err
	}
	logger := NewLogger(os.Stderr, level).With("service", service, "region", string(r.Name))
	about := resource.NewSchemaless(
		attribute.String("service.name", service), attribute.String("service.namespace", "cardea"),
		RegionKey.String(string(r.Name)), JurisdictionKey.String(string(r.Jurisdiction)),
	)
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithResource(about))
	if cfg.OTLPEndpoint == "" {
		return &Telemetry{Logger: logger, Tracer: ids{}, Meter: meter}, meter.Shutdown, nil
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(cfg.OTLPEndpoint), otlptracegrpc.WithInsecure())
	if err != nil {
		return nil, nil, fmt.Errorf("trace exporter: %w", err)
	}
	tracer := sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithBatcher(forgiving{exporter, logger},
		sdktrace.WithBatchTimeout(exportEvery), sdktrace.WithExportTimeout(exportTimeout)))
	shutdown := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		if err := errors.Join(tracer.Shutdown(ctx), meter.Shutdown(ctx)); err != nil {
			logger.WarnContext(ctx, "traces were not flushed", "error", err)
		}
		return nil
	}
	return &Telemetry{Logger: logger, Tracer: tracer, Meter: meter}, shutdown, nil
}

// forgiving logs what cannot be exported; the SDK would print it past the logger.
type forgiving struct {
	sdktrace.SpanExporter
	logger *slog.Logger
}

func (f forgiving) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := f.SpanExporter.ExportSpans(ctx, spans); err != nil {
		f.logger.WarnContext(ctx, "spans dropped", "count", len(spans), "error", err)
	}
	return nil
}

// NewLogger writes JSON lines to w, each with the ids of the context's span.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(withTrace{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

// Discard makes spans that are only ids and drops all logs: for tests that look at neither.
func Discard() *Telemetry {
	return &Telemetry{Logger: slog.New(slog.DiscardHandler), Tracer: ids{}, Meter: sdkmetric.NewMeterProvider()}
}

// withTrace adds trace_id and span_id to each record.
type withTrace struct{ slog.Handler }

func (h withTrace) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h withTrace) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withTrace{h.Handler.WithAttrs(attrs)}
}

func (h withTrace) WithGroup(name string) slog.Handler { return withTrace{h.Handler.WithGroup(name)} }
