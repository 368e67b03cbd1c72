package outbox

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

type meters struct {
	sent, failed metric.Int64Counter
}

func newMeters(provider metric.MeterProvider) (m meters, err error) {
	if provider == nil {
		provider = noop.NewMeterProvider()
	}
	meter := provider.Meter("github.com/cardea-mesh/cardea/services/platform/outbox")
	m.sent, err = meter.Int64Counter("cardea.outbox.sent",
		metric.WithDescription("Outbox rows that the broker or the other region acknowledged. Flat while writes go on: the relay is stuck."))
	if err != nil {
		return m, err
	}
	m.failed, err = meter.Int64Counter("cardea.outbox.failed",
		metric.WithDescription("Tries to send an outbox row that failed. High: the broker or a target region is away, or refuses a row for ever; see the log."))
	return m, err
}

func (m meters) count(ctx context.Context, p path, what string, err error) {
	counter := m.sent
	if err != nil {
		counter = m.failed
	}
	counter.Add(ctx, 1, metric.WithAttributes(attribute.String("home", string(p.home)), attribute.String("target", string(p.target)),
		attribute.String("what", what)))
}
