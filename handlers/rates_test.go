package handlers

import (
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// Rates are those since somebody looked last, at least a second ago; a look in between changes nothing.
func TestRates_At(t *testing.T) {
	begin := time.Unix(1000, 0)
	var r rates
	at := func(seconds float64, ops int64) float64 {
		now := begin.Add(time.Duration(seconds * float64(time.Second)))
		return r.at(now, flow.Stats{Instance: "i", Started: begin, Operations: ops}).Ops
	}
	for _, step := range []struct {
		seconds float64
		ops     int64
		want    float64
	}{
		{0.5, 50, 100},  // since the start
		{10, 1000, 100}, // since the start
		{10.5, 1050, 100},
		{11, 1100, 100},  // since second 10
		{12, 1100, 0},    // nothing happened
		{14, 1200, 50},   // since second 12
		{13.9, 1150, 26}, // a reader that was overtaken
	} {
		if got := at(step.seconds, step.ops); got < step.want-1 || got > step.want+1 {
			t.Errorf("at %v s: %v, want %v", step.seconds, got, step.want)
		}
	}
}
