package projection

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"
)

type meters struct {
	loads, pulls, evictions, missed, failures, turnedBack, differed metric.Int64Counter
	loadTime, lag                                                   metric.Float64Histogram
}

// meter makes the instruments.
func (c *Cache) meter() error {
	meter := c.cfg.Meter.Meter("github.com/cardea-mesh/cardea/services/permissions/internal/projection")
	var failed []error
	counter := func(name, help string) metric.Int64Counter {
		made, err := meter.Int64Counter("cardea.projection."+name, metric.WithDescription(help))
		failed = append(failed, err)
		return made
	}
	seconds := func(name, help string) metric.Float64Histogram {
		made, err := meter.Float64Histogram("cardea.projection."+name, metric.WithDescription(help), metric.WithUnit("s"),
			metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10))
		failed = append(failed, err)
		return made
	}
	c.meters = meters{
		loads:     counter("loads", "Organizations that were read whole. High beside evictions: the memory bound is too small for those in use."),
		pulls:     counter("pulls", "Readings of what was committed since. Several pulls a second per organization come from as many writes."),
		evictions: counter("evictions", "Organizations that made room for others. Rising: give projection.max_bytes more, or run more instances."),
		missed:    counter("missed", "Commits that the poll found and no event told of within another poll. Rising for the own region: the broker is away or refuses the subscription."),
		failures:  counter("failures", "Readings that failed. Rising: the database is away or slow; questions are refused after projection.max_unconfirmed."),
		turnedBack: counter("turned_back",
			"Organizations that the database has in an older state than was read before. Above 0: it was restored, or answers from a lagging copy."),
		differed: counter("differed", "Organizations that were not as the database has them when they were compared. Above 0 is a defect; each was replaced and logged."),
		loadTime: seconds("load_duration", "How long an organization took to be read whole. It grows with what it has; its first question waits for it."),
		lag:      seconds("pull_lag", "From the first word of a commit to its being answered from. High: the database is slow or pulls queue."),
	}
	return errors.Join(append(failed, c.gauges(meter))...)
}

func (c *Cache) gauges(meter metric.Meter) error {
	loaded, e1 := meter.Int64ObservableGauge("cardea.projection.organizations",
		metric.WithDescription("Organizations in memory."))
	bytes, e2 := meter.Int64ObservableGauge("cardea.projection.bytes", metric.WithUnit("By"),
		metric.WithDescription("Their estimated size. Near projection.max_bytes with evictions rising: the bound is too small."))
	hits, e3 := meter.Int64ObservableCounter("cardea.projection.hits",
		metric.WithDescription("Questions that were answered without asking the database. Low beside all questions: tokens are ahead, or organizations are evicted."))
	if err := errors.Join(e1, e2, e3); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		at := c.Stats()
		o.ObserveInt64(loaded, int64(at.Organizations))
		o.ObserveInt64(bytes, at.Bytes)
		o.ObserveInt64(hits, at.Hits)
		return nil
	}, loaded, bytes, hits)
	return err
}

// Stats is what is in memory.
type Stats struct {
	Organizations int
	Bytes         int64 // estimate
	Hits          int64 // questions that were answered without asking the database
}

// Stats returns what is in memory now.
func (c *Cache) Stats() Stats {
	at := Stats{Hits: c.hits.Load()}
	for _, o := range c.orgs.Load().all {
		if o.state.Load() != nil {
			at.Organizations++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at.Bytes = c.total
	return at
}
