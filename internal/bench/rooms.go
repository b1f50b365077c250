//go:build linux

package bench

import "github.com/fiberflow/flow/internal/load"

// manyRooms is 200 rooms of 5 in which each user writes 5 operations a second.
func (r *Run) manyRooms() {
	r.write(r.start(), "200 rooms of 5, 25,000 deliveries a second, memory", "16.5", "1.0")
	r.write(r.startRedis(1), "200 rooms of 5, 25,000 deliveries a second, Redis", "", "")
}

func (r *Run) write(s *site, work, cost, p99 string) {
	r.Helper()
	rooms := r.pick(200, 3)
	f := s.fleet(load.FleetConfig{Users: 5 * rooms, Rooms: rooms})
	users := f.Users()
	h := s.hold(f, 5, float64(5*len(users)), func(i int) { users[i%len(users)].Operate() })
	h.reportCost(r, work, cost, p99)
	r.report(work, "GC, % of CPU", 100*h.gc.cpu.Seconds()/h.used.cpu.Seconds(), "2")
	r.report(work, "longest GC pause, ms", milliseconds(h.gc.pause), "")
	if s.redis != nil {
		r.report(work, "CPU s of Redis a million deliveries", h.used.redis.Seconds()/float64(h.deliveries)*1e6, "")
	}
	s.close()
}
