//go:build linux

package bench

import (
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// maxWindow is how many messages of one publisher may be on their way when the load is highest.
const maxWindow = 256

// kinds are the messages that go to a whole room.
func kinds() []kind {
	return []kind{{"events", (*load.User).Say, false}, {"operations", (*load.User).Operate, true}}
}

type kind struct {
	name string
	send func(u *load.User)
	safe bool // none may be lost, however high the load
}

// fanOut is one room of 100 with 10 publishers: the load is raised until no more arrives.
func (r *Run) fanOut() {
	for _, k := range kinds() {
		s := r.start(unlimited()...)
		f := s.fleet(load.FleetConfig{Users: r.pick(100, 8), Rooms: 1})
		p := &publishers{fleet: f, send: k.send, count: r.pick(10, 2)}
		f.Heard = p.heard
		work := "room of 100, " + k.name
		best := step{}
		for falls, window := 0, 1; window <= r.pick(maxWindow, 4) && falls < 2; window *= 2 {
			before := s.look()
			now := p.raise(r, window)
			used, took := s.since(before)
			now.cpu, now.me = share(used.cpu, took), share(used.me, took)
			if falls++; now.rate > best.rate {
				best, falls = now, 0
			}
		}
		lost := p.drain(r, k.safe)
		r.report(work, "deliveries a second, at most", best.rate, "2.2 M")
		r.report(work, "p99 then, ms", milliseconds(best.ages.Quantile(0.99)), "")
		if !k.safe {
			r.report(work, "lost in all, % (events may be)", lost, "")
		}
		r.Table.Note("%s %s: best with %d messages of each publisher on their way; server %s, generator %s of a core",
			r.scenario, k.name, best.window, best.cpu, best.me)
		s.close()
	}
}

// publishers send as fast as their own messages come back.
type publishers struct {
	fleet    *load.Fleet
	send     func(u *load.User)
	count    int
	window   int // of each
	sent     int64
	received int64
	ages     *load.Histogram
	stopped  bool
}

// step is what one window brought.
type step struct {
	window  int
	rate    float64
	ages    *load.Histogram
	cpu, me string
}

func (p *publishers) heard(u *load.User, author int, age time.Duration) {
	p.received++
	p.ages.Add(age)
	if u.Number == author && !p.stopped {
		p.send(u)
		p.sent++
	}
}

// raise has more on the way, and measures after a while.
func (p *publishers) raise(r *Run, window int) step {
	r.Helper()
	p.ages = &load.Histogram{}
	for ; p.window < window; p.window++ {
		for _, u := range p.fleet.Users()[:p.count] {
			p.send(u)
			p.sent++
		}
	}
	p.turn(r, r.For/10)
	p.ages = &load.Histogram{}
	start, before := p.fleet.Look(), p.received
	p.turn(r, r.For/2)
	took := p.fleet.Look() - start
	return step{window: window, rate: float64(p.received-before) / took.Seconds(), ages: p.ages}
}

func (p *publishers) turn(r *Run, d time.Duration) {
	r.Helper()
	for end := p.fleet.Look() + d; p.fleet.Look() < end; {
		r.must(p.fleet.Turn(end))
	}
}

// drain waits until everything has arrived everywhere, or nothing comes any more, and returns the
// percentage that was lost.
func (p *publishers) drain(r *Run, safe bool) (lost float64) {
	r.Helper()
	p.stopped = true
	want := p.sent * int64(len(p.fleet.Users()))
	if safe {
		r.must(p.fleet.Until("deliveries", draining, func() bool { return p.received >= want }))
	}
	r.must(p.fleet.Settle())
	if p.received > want || safe && p.received < want {
		r.Fatalf("%d deliveries, want %d", p.received, want)
	}
	return 100 * float64(want-p.received) / float64(want)
}

// fanOutHeld is the same room at 50,000 deliveries a second.
func (r *Run) fanOutHeld() {
	members, count := r.pick(100, 8), r.pick(10, 2)
	for _, k := range kinds() {
		s := r.start(unlimited()...)
		f := s.fleet(load.FleetConfig{Users: members, Rooms: 1})
		h := s.hold(f, members, float64(r.pick(500, 50)), func(i int) { k.send(f.Users()[i%count]) })
		h.reportCost(r, "room of 100, 50,000 deliveries a second, "+k.name, "6.6", "as Centrifuge")
		s.close()
	}
}
