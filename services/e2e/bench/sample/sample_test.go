package sample

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestSeries(t *testing.T) {
	var s Series
	if s.PerSecond() != 0 || s.Quantile(0.99) != 0 {
		t.Error("an empty series has figures")
	}
	for i := range 100 {
		s.Add(Series{Took: []time.Duration{time.Duration(100-i) * time.Millisecond}, Time: 20 * time.Millisecond})
	}
	if got := s.PerSecond(); got != 50 {
		t.Errorf("throughput %v, want 50", got)
	}
	if p50, p99 := s.Quantile(0.5), s.Quantile(0.99); p50 != 51 || p99 != 100 {
		t.Errorf("p50 %v, p99 %v; want 51, 100", p50, p99)
	}
}

func TestAnErrorEndsALoad(t *testing.T) {
	broken := errors.New("broken")
	_, err := Load(t.Context(), 4, time.Hour, func(_ context.Context, worker int) error {
		if worker == 2 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
