//go:build linux

package bench

import "github.com/fiberflow/flow/internal/load"

// manyRooms is 200 rooms of 5 in which each user writes 5 operations a second.
func (r *Run) manyRooms() {
	rooms := r.pick(200, 3)
	s := r.start(1)
	f := s.fleet(load.FleetConfig{Users: 5 * rooms, Rooms: rooms})
	users := f.Users()
	mark := s.mark()
	h := s.hold(f, 5, float64(5*len(users)), func(i int) { users[i%len(users)].Operate() })
	work := "200 rooms of 5, 25,000 deliveries a second"
	h.reportCost(r, work, "16.5", "1.0")
	gc := s.collected(mark)
	r.report(work, "GC, % of CPU", 100*gc.cpu.Seconds()/h.used.cpu.Seconds(), "2")
	r.report(work, "longest GC pause, ms", milliseconds(gc.pause), "")
	s.close()
}
