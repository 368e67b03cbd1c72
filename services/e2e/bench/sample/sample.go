// Package sample takes samples of two systems in turn, so that a machine that drifts drifts for both.
//
// A load is closed: each worker sends its next request when the last is answered. So a slow answer also delays the next
// request, and the p99 is that of requests that were sent, not of those that an open world would have sent.
package sample

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Series is what was measured of one system, over all its samples.
type Series struct {
	Took []time.Duration // of each answered request
	Time time.Duration   // in which they were answered
}

// Add joins another sample to the series.
func (s *Series) Add(other Series) {
	s.Took = append(s.Took, other.Took...)
	s.Time += other.Time
}

// PerSecond is the throughput, 0 of an empty series.
func (s *Series) PerSecond() float64 {
	if s.Time <= 0 {
		return 0
	}
	return float64(len(s.Took)) / s.Time.Seconds()
}

// Quantile is the time within which a share q of the requests was answered, in milliseconds: the nearest rank.
func (s *Series) Quantile(q float64) float64 {
	if len(s.Took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.Took))
	rank := min(len(sorted)-1, int(q*float64(len(sorted))))
	return float64(sorted[rank].Nanoseconds()) / 1e6
}

// Op sends one request and waits for its answer. Calls with the same worker never overlap.
type Op func(ctx context.Context, worker int) error

// Load keeps inFlight requests in flight for a time. The first error ends it and is returned: a bench with errors is none.
func Load(ctx context.Context, inFlight int, during time.Duration, op Op) (Series, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([][]time.Duration, inFlight)
	var workers sync.WaitGroup
	began := time.Now()
	end := began.Add(during)
	for w := range inFlight {
		workers.Go(func() {
			for last := time.Now(); last.Before(end) && ctx.Err() == nil; {
				if err := op(ctx, w); err != nil {
					cancel(err)
					return
				}
				now := time.Now()
				took[w] = append(took[w], now.Sub(last))
				last = now
			}
		})
	}
	workers.Wait()
	return Series{Took: slices.Concat(took...), Time: time.Since(began)}, context.Cause(ctx)
}

// Plan says how a load is sampled.
type Plan struct {
	InFlight int
	Rounds   int           // samples of each system
	Each     time.Duration // length of a sample
}

// InTurn loads ours and floor alternately: a quarter of a sample each to warm up, which is thrown away, then A B A B.
func InTurn(ctx context.Context, plan Plan, ours, floor Op) (a, b Series, err error) {
	for round := -1; round < plan.Rounds; round++ {
		during := plan.Each
		if round < 0 {
			during /= 4
		}
		for _, side := range []struct {
			op   Op
			into *Series
		}{{ours, &a}, {floor, &b}} {
			got, err := Load(ctx, plan.InFlight, during, side.op)
			if err != nil {
				return a, b, err
			}
			if round >= 0 {
				side.into.Add(got)
			}
		}
	}
	return a, b, nil
}
