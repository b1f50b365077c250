//go:build linux

package bench

import (
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// draining bounds the wait for what was sent to arrive.
const draining = 20 * time.Second

// held is what was seen under a load of a fixed pace.
type held struct {
	ages, late load.Histogram
	across     load.Histogram // of ages, those of messages from another instance
	deliveries int64
	gc         garbage
	used       look
	took       time.Duration
}

// hold sends messages at a pace, each to all members of a room, and counts them in; every one must come.
// Number i is sent by do.
func (s *site) hold(f *load.Fleet, members int, perSecond float64, do func(i int)) *held {
	s.run.Helper()
	h := &held{}
	f.Heard = func(u *load.User, author int, age time.Duration) {
		h.deliveries++
		h.ages.Add(age)
		if len(s.servers) > 1 && f.Users()[author].Instance != u.Instance {
			h.across.Add(age)
		}
	}
	s.pace(f, h, members, perSecond, s.run.For/4, do) // warms up
	*h = held{}
	mark, before := s.mark(), s.look()
	s.pace(f, h, members, perSecond, s.run.For, do)
	h.used, h.took = s.since(before)
	h.gc = s.collected(mark)
	return h
}

func (s *site) pace(f *load.Fleet, h *held, members int, perSecond float64, d time.Duration, do func(i int)) {
	s.run.Helper()
	s.run.must(f.Run(d, perSecond, &h.late, do))
	want := h.late.Count() * int64(members)
	s.run.must(f.Until("deliveries", draining, func() bool { return h.deliveries >= want }))
	if h.deliveries != want {
		s.run.Fatalf("%d deliveries, want %d", h.deliveries, want)
	}
}

// perMillion is the CPU seconds of a million deliveries.
func (h *held) perMillion() float64 { return h.used.cpu.Seconds() / float64(h.deliveries) * 1e6 }

// perSecond is how many deliveries one second of CPU makes.
func (h *held) perSecond() float64 { return float64(h.deliveries) / h.used.cpu.Seconds() }

// reportCost adds the rows that every held load has.
func (h *held) reportCost(r *Run, work, cost, p99 string) {
	r.report(work, "CPU s a million deliveries", h.perMillion(), cost)
	r.report(work, "p50, ms", milliseconds(h.ages.Quantile(0.5)), "")
	r.report(work, "p99, ms", milliseconds(h.ages.Quantile(0.99)), p99)
	r.report(work, "generator late p99, ms", milliseconds(h.late.Quantile(0.99)), "")
}
