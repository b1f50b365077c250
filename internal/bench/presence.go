//go:build linux

package bench

import (
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// cursorsPerSecond is how often a cursor moves.
const cursorsPerSecond = 20

// cursors is one room of 200 in which every cursor moves 20 times a second.
func (r *Run) cursors() {
	s := r.start()
	members := r.pick(200, 6)
	v := r.watch(s, members, members)
	work := "room of 200, every cursor 20 times a second"
	r.report(work, "kept up within the period, %", 100*float64(v.inTime)/float64(v.expected), "100")
	r.report(work, "positions shown, %", 100*float64(v.shown)/float64(v.expected), "")
	r.report(work, "age of the position shown, p99, ms", milliseconds(v.ages.Quantile(0.99)), "85")
	r.report(work, "age at arrival, p99, ms", milliseconds(v.arrivals.Quantile(0.99)), "")
	r.report(work, "server, % of a core", 100*v.used.cpu.Seconds()/v.took.Seconds(), "30")
	r.report(work, "generator, % of a core", 100*v.used.me.Seconds()/v.took.Seconds(), "")
	s.close()
}

// view is what members of a room see of the cursors of others.
type view struct {
	fleet    *load.Fleet
	last     [][]time.Duration // when the position was sent that is shown, by receiver and mover
	ages     load.Histogram    // of positions shown, looked at all the time
	arrivals load.Histogram    // of positions when they come
	late     load.Histogram

	expected, shown, inTime, bytes int64
	used                           look
	took                           time.Duration
}

// watch has some members of a room move, and looks at what all of them see.
func (r *Run) watch(s *site, members, movers int) *view {
	r.Helper()
	f := s.fleet(load.FleetConfig{Users: members, Rooms: 1, Fleeting: true})
	v := &view{fleet: f, last: make([][]time.Duration, members)}
	for i := range v.last {
		v.last[i] = make([]time.Duration, movers)
	}
	v.fleet.Heard = v.heard
	v.move(r, movers, r.For/4)
	r.must(v.fleet.Settle()) // nothing of the warm-up arrives later
	v.forget()
	before, received := s.look(), v.fleet.Received()
	v.move(r, movers, r.For)
	v.used, v.took = s.since(before)
	v.bytes = v.fleet.Received() - received
	r.must(v.fleet.Settle())
	v.complete(r, movers)
	return v
}

// forget begins anew.
func (v *view) forget() {
	v.expected, v.shown, v.inTime = 0, 0, 0
	v.ages, v.arrivals = load.Histogram{}, load.Histogram{}
	for _, seen := range v.last {
		clear(seen)
	}
}

func (v *view) heard(u *load.User, author int, age time.Duration) {
	v.last[u.Number][author] = v.fleet.Now() - age
	v.shown++
	v.arrivals.Add(age)
	if age <= time.Second/cursorsPerSecond {
		v.inTime++
	}
}

// move sends positions, and in turn looks at all that one member sees.
func (v *view) move(r *Run, movers int, d time.Duration) {
	r.Helper()
	users := v.fleet.Users()
	looked := 0
	r.must(v.fleet.Run(d, float64(cursorsPerSecond*movers), &v.late, func(i int) {
		users[i%movers].Move()
		v.expected += int64(len(users))
		if i%4 != 0 {
			return
		}
		now := v.fleet.Now()
		for _, sent := range v.last[looked%len(users)] {
			if sent > 0 {
				v.ages.Add(now - sent)
			}
		}
		looked++
	}))
}

// complete ends the test when somebody was left with an old position.
func (v *view) complete(r *Run, movers int) {
	r.Helper()
	newest := make([]time.Duration, movers)
	for _, seen := range v.last {
		for author, sent := range seen {
			newest[author] = max(newest[author], sent)
		}
	}
	for receiver, seen := range v.last {
		for author, sent := range seen {
			if newest[author]-sent > time.Millisecond || sent == 0 { // one frame, taken at different moments
				r.Fatalf("member %d sees user %d as of %v, others as of %v", receiver, author, sent, newest[author])
			}
		}
	}
}
