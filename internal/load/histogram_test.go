package load_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// Quantiles are never below the truth and at most 1.6 % above it, over all magnitudes.
func TestHistogram_Quantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h, half load.Histogram
	durations := make([]time.Duration, 10_000)
	for i := range durations {
		durations[i] = time.Duration(1) << random.IntN(36)
		durations[i] += time.Duration(random.Int64N(int64(durations[i])))
		if i%2 == 0 {
			half.Add(durations[i])
			continue
		}
		h.Add(durations[i])
	}
	h.Merge(&half)
	slices.Sort(durations)
	if h.Count() != int64(len(durations)) || h.Max() != durations[len(durations)-1] {
		t.Errorf("count %d, max %v, want %d, %v", h.Count(), h.Max(), len(durations), durations[len(durations)-1])
	}
	for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
		want := durations[max(0, int(q*float64(len(durations))+0.5)-1)]
		if got := h.Quantile(q); got < want || float64(got) > float64(want)*1.016 {
			t.Errorf("Quantile(%v) = %v, want %v to 1.6 %% above", q, got, want)
		}
	}
}

// An empty histogram, a duration below zero and one beyond the last bucket do no harm.
func TestHistogram_Edges(t *testing.T) {
	var h load.Histogram
	if got := h.Quantile(0.99); got != 0 {
		t.Errorf("Quantile of nothing = %v", got)
	}
	h.Add(-time.Second)
	h.Add(time.Hour)
	if h.Count() != 2 || h.Quantile(0.5) != 0 || h.Quantile(1) != time.Hour {
		t.Errorf("count %d, p50 %v, p100 %v, want 2, 0, 1h", h.Count(), h.Quantile(0.5), h.Quantile(1))
	}
}
