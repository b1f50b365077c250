package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// The histogram has 64 buckets to a doubling: what it tells is at most 1.6 % above the truth.
const (
	stepBits = 6
	steps    = 1 << stepBits
	buckets  = (40 - stepBits) * steps // up to 2^39 ns, nine minutes
)

// Histogram counts durations. Any number of goroutines may add to it. The zero value is empty.
type Histogram struct {
	counts [buckets]atomic.Int64
	max    atomic.Int64
}

// Add counts one duration; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(d)].Add(1)
	for top := h.max.Load(); int64(d) > top; top = h.max.Load() {
		if h.max.CompareAndSwap(top, int64(d)) {
			return
		}
	}
}

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i := range other.counts {
		h.counts[i].Add(other.counts[i].Load())
	}
	h.max.Store(max(h.max.Load(), other.max.Load()))
}

// Count returns how many durations were added.
func (h *Histogram) Count() int64 {
	var total int64
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	return total
}

// Max returns the longest duration.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) }

// Quantile returns an upper bound of the q-th part, 0 to 1, of all durations; 0 when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	need := max(1, int64(q*float64(h.Count())+0.5))
	var seen int64
	for i := range buckets - 1 {
		if seen += h.counts[i].Load(); seen >= need {
			return min(boundOf(i), h.Max())
		}
	}
	return h.Max() // the last bucket has no end
}

// bucketOf returns the bucket of a duration: its highest bit, and the stepBits below it.
func bucketOf(d time.Duration) int {
	ns := uint64(d)
	if ns < steps {
		return int(ns)
	}
	shift := bits.Len64(ns) - 1 - stepBits
	return min(buckets-1, shift*steps+int(ns>>shift))
}

// boundOf returns the longest duration of a bucket.
func boundOf(bucket int) time.Duration {
	if bucket < steps {
		return time.Duration(bucket)
	}
	shift := bucket/steps - 1
	return time.Duration((bucket%steps+steps+1)<<shift - 1)
}
