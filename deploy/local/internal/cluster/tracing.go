package cluster

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"go.opentelemetry.io/otel/trace"
)

// lockService is how the simulated locks show in traces.
const lockService = "lock-simulator"

// tracing exports the simulated locks' spans.
type tracing struct {
	tel   *telemetry.Telemetry
	flush func(context.Context) error
}

func (c *Cluster) startTracing(ctx context.Context) error {
	tel, flush, err := telemetry.Setup(ctx, config.Telemetry{OTLPEndpoint: c.options.OTLPEndpoint, LogLevel: "error"}, lockService,
		region.Region{Name: "local"})
	c.tracing = tracing{tel: tel, flush: flush}
	return err
}

// Tracer implements story.System.
func (c *Cluster) Tracer() trace.TracerProvider { return c.tracing.tel.Tracer }

func (t tracing) close() error {
	if t.flush == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return t.flush(ctx)
}
