//go:build linux

package bench

import (
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// acknowledged is 20 rooms of 5 writers, each of whom writes when the operation before has its place.
func (r *Run) acknowledged() {
	r.acknowledge(r.start(unlimited()...), "20 rooms of 5 writers, memory", "70,000", "4")
	r.acknowledge(r.startRedis(1, unlimited()...), "20 rooms of 5 writers, Redis", "33,000", "")
}

func (r *Run) acknowledge(s *site, work, goal, p99 string) {
	r.Helper()
	rooms := r.pick(20, 2)
	f := s.fleet(load.FleetConfig{Users: 5 * rooms, Rooms: rooms})
	var ages *load.Histogram
	var sent, received int64
	stopped := false
	f.Heard = func(u *load.User, author int, age time.Duration) {
		received++
		if u.Number != author {
			return
		}
		ages.Add(age)
		if !stopped {
			u.Operate()
			sent++
		}
	}
	turn := func(d time.Duration) {
		ages = &load.Histogram{}
		for end := f.Look() + d; f.Look() < end; {
			r.must(f.Turn(end))
		}
	}
	for _, u := range f.Users() {
		u.Operate()
		sent++
	}
	turn(r.For / 4)
	before := s.look()
	turn(r.For)
	used, took := s.since(before)
	r.report(work, "acknowledged a second", float64(ages.Count())/took.Seconds(), goal)
	r.report(work, "p50, ms", milliseconds(ages.Quantile(0.5)), "")
	r.report(work, "p99, ms", milliseconds(ages.Quantile(0.99)), p99)
	r.report(work, "CPU us an operation", float64(used.cpu.Microseconds())/float64(ages.Count()), "")
	r.note("%s: server %s, Redis %s, generator %s of a core", work,
		share(used.cpu, took), share(used.redis, took), share(used.me, took))
	stopped = true
	r.must(f.Until("deliveries", draining, func() bool { return received >= 5*sent }))
	if received != 5*sent {
		r.Fatalf("%d deliveries, want %d", received, 5*sent)
	}
	s.close()
}
