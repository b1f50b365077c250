package flow // internal: the histogram is not exported

import (
	"math"
	"sync"
	"testing"
	"time"
)

// durations returns many durations from nothing to hours: every edge of a bucket, and around it.
func durations() []time.Duration {
	all := []time.Duration{0, 1, 999, time.Microsecond, 3999, 4 * time.Microsecond}
	for bucket := range 127 {
		edge := boundOf(bucket)
		all = append(all, edge-1000, edge-1, edge, edge+1, edge+999, edge+1000, edge+edge/10)
	}
	return all
}

// longestBucketed is where the last bucket begins to end, some hours.
const longestBucketed = 4 * time.Hour

// A bucket ends behind what is in it, and not far behind: at most a quarter, above four microseconds.
func TestBucketOf(t *testing.T) {
	for _, d := range durations() {
		if d > longestBucketed {
			continue
		}
		bucket := bucketOf(d)
		bound := boundOf(bucket)
		if bucket < 0 || bucket > 127 || bound < d {
			t.Fatalf("%v is in bucket %d, which ends at %v", d, bucket, bound)
		}
		if whole := d.Truncate(time.Microsecond); d >= 4*time.Microsecond && bound > whole+whole/4 {
			t.Fatalf("%v is in bucket %d, which ends as late as %v", d, bucket, bound)
		}
	}
	last := 0
	for us := range 100_000 {
		bucket := bucketOf(time.Duration(us) * time.Microsecond)
		if bucket < last || bucket > last+1 {
			t.Fatalf("%d µs is in bucket %d, what comes before in %d", us, bucket, last)
		}
		last = bucket
	}
	for _, d := range []time.Duration{-1, -time.Hour, math.MinInt64, math.MaxInt64, 24 * time.Hour} {
		if bucket := bucketOf(d); bucket < 0 || bucket > 127 {
			t.Errorf("%v is in bucket %d", d, bucket)
		}
	}
}

func TestHistogram_Read(t *testing.T) {
	// Quantiles are upper bounds that are at most a quarter too high, and never above the longest.
	t.Run("quantiles", func(t *testing.T) {
		for _, scale := range []time.Duration{10 * time.Microsecond, time.Millisecond, time.Second} {
			var h histogram
			for i := range 1000 {
				h.add(time.Duration(1000-i) * scale)
			}
			got := h.read()
			within(t, "p50", got.P50, 500*scale)
			within(t, "p99", got.P99, 990*scale)
			if got.Max != 1000*scale {
				t.Errorf("max is %v, want %v", got.Max, 1000*scale)
			}
		}
	})

	// One slow operation in a hundred does not show in p99, two do.
	t.Run("tail", func(t *testing.T) {
		var h histogram
		for range 99 {
			h.add(time.Millisecond)
		}
		h.add(time.Minute)
		if got := h.read(); got.P99 > 2*time.Millisecond || got.Max != time.Minute {
			t.Errorf("got %+v", got)
		}
		h.add(time.Minute)
		h.add(time.Minute)
		if got := h.read(); got.P99 < time.Minute || got.P50 > 2*time.Millisecond {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("few", func(t *testing.T) {
		var h histogram
		if got := h.read(); got != (Latency{}) {
			t.Errorf("an empty one has %+v", got)
		}
		h.add(3 * time.Millisecond)
		if got := h.read(); got != (Latency{3 * time.Millisecond, 3 * time.Millisecond, 3 * time.Millisecond}) {
			t.Errorf("one of 3 ms has %+v", got)
		}
	})

}

// Counting at the same time loses nothing.
func TestHistogram_Add(t *testing.T) {
	var h histogram
	var work sync.WaitGroup
	for w := range 8 {
		work.Go(func() {
			for i := range 1000 {
				h.add(time.Duration(w*1000+i) * time.Microsecond)
			}
		})
	}
	work.Wait()
	count := int64(0)
	for i := range h.buckets {
		count += h.buckets[i].Load()
	}
	if got := h.read(); count != 8000 || got.Max != 7999*time.Microsecond {
		t.Errorf("%d are counted, %+v", count, got)
	}
}

// within fails unless got is an upper bound of want, at most a quarter above it.
func within(t *testing.T, name string, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+want/4 {
		t.Errorf("%s is %v, want %v or a little more", name, got, want)
	}
}
