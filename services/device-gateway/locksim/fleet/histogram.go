package fleet

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// buckets is how many a histogram has: from 10 microseconds, each 8 % wider, to more than 100 s.
	buckets     = 220
	bucketFirst = 10 * time.Microsecond
	bucketStep  = 1.08
)

// histogram counts durations, with 8 % of error. It is safe for concurrent use, and histograms of several processes add up.
type histogram [buckets]atomic.Int64

func (h *histogram) add(d time.Duration) {
	i := 0
	if d > bucketFirst {
		i = int(math.Ceil(math.Log(float64(d)/float64(bucketFirst)) / math.Log(bucketStep)))
	}
	h[min(i, buckets-1)].Add(1)
}

// read copies the counts.
func (h *histogram) read() Distribution {
	out := make(Distribution, buckets)
	for i := range h {
		out[i] = h[i].Load()
	}
	return out
}

// Distribution is a histogram's counts: bucket i has what took at most 10 microseconds x 1.08^i.
type Distribution []int64

// Count is how many durations were counted.
func (d Distribution) Count() (n int64) {
	for _, c := range d {
		n += c
	}
	return n
}

// Quantile is the duration that a share q (0 to 1) was not above; 0 when nothing was counted.
func (d Distribution) Quantile(q float64) time.Duration {
	rank, seen := int64(math.Ceil(q*float64(d.Count()))), int64(0)
	for i, c := range d {
		if seen += c; seen >= rank && seen > 0 {
			return time.Duration(float64(bucketFirst) * math.Pow(bucketStep, float64(i)))
		}
	}
	return 0
}

// plus adds another's counts; minus takes them away.
func (d Distribution) plus(other Distribution) Distribution { return d.combine(other, 1) }

func (d Distribution) minus(other Distribution) Distribution { return d.combine(other, -1) }

func (d Distribution) combine(other Distribution, sign int64) Distribution {
	out := make(Distribution, buckets)
	copy(out, d)
	for i, c := range other {
		out[i] += sign * c
	}
	return out
}
