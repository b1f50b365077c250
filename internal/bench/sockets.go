//go:build linux

package bench

import "github.com/fiberflow/flow/internal/load"

// idle is 5,000 sockets in 1,000 rooms that have joined and are silent.
func (r *Run) idle() {
	rooms := r.pick(1000, 4)
	s := r.start()
	f := s.newFleet(load.FleetConfig{Users: 5 * rooms, Rooms: rooms})
	before, began := s.look(), f.Look()
	r.must(f.Join(f.Users()))
	took := f.Look() - began
	joined, _ := s.since(before)
	r.must(f.Settle())
	idle, _ := s.since(before)
	n := float64(len(f.Users()))
	work := "5,000 idle sockets in 1,000 rooms"
	r.report(work, "resident KB a socket", float64(idle.resident)/1024/n, "14.5")
	r.report(work, "connects and joins a second", n/took.Seconds(), "9,000")
	r.report(work, "CPU us a connect and join", float64(joined.cpu.Microseconds())/n, "")
	r.report(work, "generator, % of a core", 100*joined.me.Seconds()/took.Seconds(), "")
	s.close()
}
