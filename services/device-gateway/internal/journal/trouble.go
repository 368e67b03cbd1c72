package journal

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// repeatAfter is how often trouble that goes on is logged again: each batch of each lock meets it.
const repeatAfter = 30 * time.Second

// trouble tells the operator that the journal cannot write, and that it can again.
type trouble struct {
	logger *slog.Logger

	mu      sync.Mutex // guards what follows
	failing bool
	refused int64 // Appends since the last line
	logged  time.Time
}

// met is called after each group of Appends, with how many there were.
func (t *trouble) met(err error, appends int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil && t.failing:
		t.failing = false
		t.logger.Info("journal: writes again; locks send what they kept", "refused", t.refused)
		t.refused = 0
	case err != nil:
		t.refused += int64(appends)
		if t.failing && time.Since(t.logged) < repeatAfter {
			return
		}
		t.failing, t.logged = true, time.Now()
		t.logger.Error("journal: cannot write; locks keep their events", "error", err, "refused", t.refused)
	}
}

// unavailable is 1 while nothing can be appended.
func (t *trouble) unavailable() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failing {
		return 1
	}
	return 0
}

// observe makes the journal's metrics.
func (j *Journal) observe(provider metric.MeterProvider) error {
	if provider == nil {
		return nil
	}
	meter := provider.Meter("github.com/cardea-mesh/cardea/services/device-gateway/internal/journal")
	waiting, err := meter.Int64ObservableGauge("cardea.journal.waiting", metric.WithUnit("By"),
		metric.WithDescription("What locks reported and the region's broker does not have yet, on disk. Rising: the broker is away; at journal's limit locks keep their events."))
	if err != nil {
		return err
	}
	unavailable, err := meter.Int64ObservableGauge("cardea.journal.unavailable",
		metric.WithDescription("1 while events cannot be written (the disk is full or failing, or too much waits): no event is acknowledged, doors open, locks keep their events until their rings run over."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(waiting, j.Waiting())
		o.ObserveInt64(unavailable, j.trouble.unavailable())
		return nil
	}, waiting, unavailable)
	return err
}
