package fleet

import (
	"time"
)

// Summary is what a run was and what came of it.
type Summary struct {
	Seed      uint64  `json:"seed"`
	Locks     int     `json:"locks"`
	Processes int     `json:"processes"`
	Seconds   float64 `json:"seconds"`
	Speed     float64 `json:"speed"`
	// Counts are as they were when the locks had stopped, so none is connected; its distributions are left out.
	Counts
	// MostConnected is the most locks that had a session at any second.
	MostConnected int64 `json:"most_connected"`
	// Answer is from a request to its answer; Reconnect from a session's end (or its first try) to the next Welcome.
	Answer    Quantiles `json:"answer"`
	Reconnect Quantiles `json:"reconnect"`
	// NotDurable is how many events no lock was told are durable when the drain ended. Events of earlier runs that became
	// durable in this one are counted as durable, and ones that a ring lost to overflow are never.
	NotDurable int64 `json:"not_durable"`
}

// Quantiles are of a distribution, in milliseconds, with 8 % of error.
type Quantiles struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

func quantiles(d Distribution) Quantiles {
	ms := func(q float64) float64 {
		return float64(d.Quantile(q).Round(time.Microsecond)) / float64(time.Millisecond)
	}
	return Quantiles{Count: d.Count(), P50: ms(0.5), P90: ms(0.9), P99: ms(0.99), P999: ms(0.999), Max: ms(1)}
}

// summarize makes the summary of a run's last counts.
func summarize(cfg Config, processes int, took time.Duration, most int64, last Counts) Summary {
	s := Summary{
		Seed: cfg.Seed, Locks: cfg.Locks, Processes: processes, Seconds: took.Seconds(), Speed: cfg.Speed, Counts: last,
		MostConnected: most, Answer: quantiles(last.Answers), Reconnect: quantiles(last.Reconnects),
		NotDurable: max(0, last.EventsWritten-last.EventsDurable),
	}
	s.Answers, s.Reconnects = nil, nil
	return s
}
