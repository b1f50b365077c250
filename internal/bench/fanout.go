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
	safe bool // it is kept, and none may be lost, however high the load
}

// fanOut is one room of 100 with 10 publishers: the load is raised until no more arrives. A load at which
// something is lost, as events may be, does not count.
func (r *Run) fanOut() {
	for _, k := range kinds() {
		s := r.start(unlimited()...)
		f := s.fleet(load.FleetConfig{Users: r.pick(100, 8), Rooms: 1, Fleeting: !k.safe})
		p := &publishers{fleet: f, send: k.send, safe: k.safe, count: r.pick(10, 2)}
		f.Heard = p.heard
		work := "room of 100, " + k.name
		best := step{}
		for falls, window := 0, 1; window <= r.pick(maxWindow, 4) && falls < 2; window *= 2 {
			now := p.raise(s, window)
			switch {
			case now.lost != 0 && k.safe:
				r.Fatalf("%d of %d deliveries did not arrive", now.lost, p.sent*int64(len(f.Users())))
			case now.lost != 0:
				r.note("%s: %d deliveries lost with %d messages of each on their way", k.name, now.lost, window)
			}
			if falls++; now.rate > best.rate && now.lost == 0 {
				best, falls = now, 0
			}
		}
		r.report(work, "deliveries a second, at most", best.rate, "2.2 M")
		r.report(work, "p99 then, ms", milliseconds(p.ages[best.window].Quantile(0.99)), "")
		r.note("%s: best with %d messages of each publisher on their way; server %s, generator %s of a core",
			k.name, best.window, best.cpu, best.me)
		s.close()
	}
}

// publishers send as fast as their own messages come back.
type publishers struct {
	fleet    *load.Fleet
	send     func(u *load.User)
	safe     bool
	count    int
	sent     int64
	received int64
	now      *load.Histogram
	ages     map[int]*load.Histogram // by window
	stopped  bool
}

// step is what one window brought: so many messages of each publisher on their way.
type step struct {
	window  int
	rate    float64
	lost    int64
	cpu, me string
}

func (p *publishers) heard(u *load.User, author int, age time.Duration) {
	p.received++
	p.now.Add(age)
	if u.Number == author && !p.stopped {
		p.send(u)
		p.sent++
	}
}

// raise measures with a window, after a while, and then waits until nothing comes any more.
func (p *publishers) raise(s *site, window int) step {
	r := s.run
	r.Helper()
	if p.ages == nil {
		p.ages = map[int]*load.Histogram{}
	}
	p.now, p.stopped = &load.Histogram{}, false
	p.sent, p.received = 0, 0
	for range window {
		for _, u := range p.fleet.Users()[:p.count] {
			p.send(u)
			p.sent++
		}
	}
	p.turn(r, r.For/10)
	p.now = &load.Histogram{}
	p.ages[window] = p.now
	before, received := s.look(), p.received
	p.turn(r, r.For/2)
	used, took := s.since(before)
	rate := float64(p.received-received) / took.Seconds()
	p.stopped, p.now = true, &load.Histogram{}
	if p.safe {
		want := p.sent * int64(len(p.fleet.Users()))
		r.must(p.fleet.Until("deliveries", draining, func() bool { return p.received >= want }))
	}
	r.must(p.fleet.Settle())
	return step{
		window: window, rate: rate, lost: p.sent*int64(len(p.fleet.Users())) - p.received,
		cpu: share(used.cpu, took), me: share(used.me, took),
	}
}

func (p *publishers) turn(r *Run, d time.Duration) {
	r.Helper()
	for end := p.fleet.Look() + d; p.fleet.Look() < end; {
		r.must(p.fleet.Turn(end))
	}
}

// fanOutHeld is the same room at 50,000 deliveries a second.
func (r *Run) fanOutHeld() {
	members, count := r.pick(100, 8), r.pick(10, 2)
	for _, k := range kinds() {
		s := r.start(unlimited()...)
		f := s.fleet(load.FleetConfig{Users: members, Rooms: 1, Fleeting: !k.safe})
		h := s.hold(f, members, float64(r.pick(500, 50)), func(i int) { k.send(f.Users()[i%count]) })
		h.reportCost(r, "room of 100, 50,000 deliveries a second, "+k.name, "6.6", "as Centrifuge")
		s.close()
	}
}
