package flow_test

import (
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// A log passes its limit by an eighth, at most 64, goes back to exactly the limit, never loses an
// operation after its snapshot, and never gets one back.
func TestTrimFirst(t *testing.T) {
	cases := []struct {
		name                 string
		first, top, snapshot uint64
		limit                int
		want                 uint64
	}{
		{"empty", 1, 0, 0, 10, 1},
		{"at the limit", 1, 10, 0, 10, 1},
		{"with its slack", 1, 11, 0, 10, 1},
		{"beyond its slack", 1, 12, 0, 10, 3},
		{"trimmed before", 3, 12, 0, 10, 3},
		{"trimmed before and beyond", 3, 14, 0, 10, 5},
		{"large slack", 1, 10_064, 0, 10_000, 1},
		{"beyond large slack", 1, 10_065, 0, 10_000, 66},
		{"one", 1, 2, 0, 1, 2},
		{"snapshot far back", 1, 100, 20, 10, 21},
		{"snapshot at the base", 21, 100, 20, 10, 21},
		{"snapshot near the head", 1, 100, 95, 10, 91},
		{"snapshot at the head", 1, 100, 100, 10, 91},
		{"snapshot within the slack", 1, 11, 11, 10, 1},
		{"snapshot before the first", 50, 100, 20, 10, 50},
		{"snapshot at the hard limit", 1, 4116, 20, 10, 21},
		{"snapshot beyond the hard limit", 21, 4117, 20, 10, 4108},
		{"large limit", 1, 40_020, 20, 10_000, 21},
		{"beyond a large hard limit", 21, 40_021, 20, 10_000, 30_022},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := flow.TrimFirst(c.first, c.top, c.snapshot, c.limit); got != c.want {
				t.Errorf("first kept is %d, want %d", got, c.want)
			}
		})
	}
}

// A sweep is due when the head passes a multiple of 1,024, by one operation or by many, and more than
// 512 sessions are known.
func TestSweepDue(t *testing.T) {
	cases := []struct {
		from, to uint64
		sessions int
		want     bool
	}{
		{0, 1023, 1000, false},
		{1022, 1023, 1000, false},
		{1023, 1024, 1000, true},
		{1023, 1024, 513, true},
		{1023, 1024, 512, false},
		{1024, 2047, 1000, false},
		{1000, 5000, 1000, true},
		{2047, 2048, 1000, true},
	}
	for _, c := range cases {
		if got := flow.SweepDue(c.from, c.to, c.sessions); got != c.want {
			t.Errorf("SweepDue(%d, %d, %d) is %v", c.from, c.to, c.sessions, got)
		}
	}
}

// A session is remembered for a day, or as long as it can be resumed.
func TestSweepHorizon(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		0: 24 * time.Hour, time.Hour: 24 * time.Hour, 25 * time.Hour: 25 * time.Hour,
	} {
		if got := flow.SweepHorizon(ttl); got != want {
			t.Errorf("SweepHorizon(%v) is %v, want %v", ttl, got, want)
		}
	}
}
