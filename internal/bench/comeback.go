//go:build linux

package bench

import (
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// missed is how many operations somebody misses who was away.
const missed = 20

// comeback is 2,000 users of 200 rooms who drop, miss 20 operations each, and return at once.
func (r *Run) comeback() {
	r.comeBack(r.start(), "2,000 users of 200 rooms return, memory", "188")
	r.comeBack(r.startRedis(1), "2,000 users of 200 rooms return, Redis", "272")
}

func (r *Run) comeBack(s *site, work, goal string) {
	r.Helper()
	rooms := r.pick(200, 3)
	const stay = 1 // of each room, who writes
	f := s.fleet(load.FleetConfig{Users: (10 + stay) * rooms, Rooms: rooms, AtOnce: 10 * rooms})
	writers, away := f.Users()[:stay*rooms], f.Users()[stay*rooms:]
	counts := make([]int, len(f.Users()))
	complete, last := 0, time.Duration(0)
	f.Heard = func(u *load.User, _ int, _ time.Duration) {
		counts[u.Number]++
		if counts[u.Number] == missed {
			complete, last = complete+1, f.Now()
		}
	}
	for _, u := range away {
		u.Drop()
	}
	for range missed {
		for _, u := range writers {
			u.Operate()
		}
		r.must(f.Turn(f.Look()))
	}
	r.must(f.Until("operations of those who stay", draining, func() bool { return complete == len(writers) }))
	before, start := s.look(), f.Look()
	complete = 0
	r.must(f.Join(away))
	joined := f.Look()
	r.must(f.Until("what was missed", draining, func() bool { return complete == len(away) }))
	used, took := s.since(before)
	r.must(f.Settle())
	for _, u := range away {
		if counts[u.Number] != missed {
			r.Fatalf("user %d received %d operations, missed %d", u.Number, counts[u.Number], missed)
		}
	}
	r.report(work, "until the last is caught up, ms", milliseconds(last-start), goal)
	r.report(work, "until the last has joined, ms", milliseconds(joined-start), "")
	r.report(work, "CPU us a return", float64(used.cpu.Microseconds())/float64(len(away)), "")
	r.note("%s: generator %s of a core", work, share(used.me, took))
	s.close()
}
