// Package telemetrytest receives traces in a test: a real OTLP server in the process, and what came in.
package telemetrytest

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Span is a finished span as it was exported. Parent is empty for a root.
type Span struct {
	Name, Service, Region   string
	TraceID, SpanID, Parent string
	Kind                    otlp.Span_SpanKind
	Attributes              map[string]string
	Start, End              time.Time
}

// Sink is an OTLP gRPC server on 127.0.0.1. It is safe for concurrent use.
type Sink struct {
	collector.UnimplementedTraceServiceServer
	address string

	mu      sync.Mutex // guards what follows
	traces  map[string][]Span
	changed chan struct{} // closed and replaced at every export
}

// Start runs a sink until the test ends.
func Start(t testing.TB) *Sink {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Sink{address: listener.Addr().String(), traces: map[string][]Span{}, changed: make(chan struct{})}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return s
}

// Endpoint is what configuration takes as otlp_endpoint.
func (s *Sink) Endpoint() string { return s.address }

// Export takes spans in.
func (s *Sink) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range in.GetResourceSpans() {
		about := attributes(rs.GetResource().GetAttributes())
		for _, scope := range rs.GetScopeSpans() {
			for _, raw := range scope.GetSpans() {
				span := Span{
					Name: raw.GetName(), Service: about["service.name"], Region: about["cardea.region"], Kind: raw.GetKind(),
					TraceID: hex.EncodeToString(raw.GetTraceId()), SpanID: hex.EncodeToString(raw.GetSpanId()),
					Parent: hex.EncodeToString(raw.GetParentSpanId()), Attributes: attributes(raw.GetAttributes()),
					Start: time.Unix(0, int64(raw.GetStartTimeUnixNano())), End: time.Unix(0, int64(raw.GetEndTimeUnixNano())),
				}
				s.traces[span.TraceID] = append(s.traces[span.TraceID], span)
			}
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return &collector.ExportTraceServiceResponse{}, nil
}

// WaitTrace returns the first trace, its spans by their start, for which complete says yes. After 30 s the test fails with
// all that came in.
func (s *Sink) WaitTrace(t testing.TB, complete func([]Span) bool) []Span {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		found, changed := s.find(complete)
		if found != nil {
			return found
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no such trace; there are:\n%s", s)
		}
	}
}

func (s *Sink) find(complete func([]Span) bool) ([]Span, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spans := range s.traces {
		sorted := slices.Clone(spans)
		slices.SortFunc(sorted, func(a, b Span) int { return a.Start.Compare(b.Start) })
		if complete(sorted) {
			return sorted, nil
		}
	}
	return nil, s.changed
}

// String lists every trace.
func (s *Sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	for id, spans := range s.traces {
		fmt.Fprintf(&out, "trace %s\n%s", id, Format(spans))
	}
	return out.String()
}

// Format is a listing of spans for a test's log.
func Format(spans []Span) string {
	var out strings.Builder
	for _, span := range spans {
		fmt.Fprintf(&out, "  %s <- %-16s %s/%s %s\n", span.SpanID, span.Parent, span.Region, span.Service, span.Name)
	}
	return out.String()
}

func attributes(in []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range in {
		if s, ok := kv.GetValue().GetValue().(*common.AnyValue_StringValue); ok {
			out[kv.GetKey()] = s.StringValue
		}
	}
	return out
}
