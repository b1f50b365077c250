//go:build linux

package bench

import (
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// slowBytes is the data of a message; 1,000 of them a second are a megabyte.
const slowBytes = 1000

// slowReaders is a room of 60 in which 50 stop reading while a megabyte a second is written, four times as
// long as another measurement lasts; then they read on. The baseline is the same with all of them reading.
func (r *Run) slowReaders() {
	work := "room of 60 at 1 MB/s"
	members := r.pick(60, 6)
	healthy := r.pick(10, 2)
	pace := float64(r.pick(1000, 100))

	s := r.start(unlimited()...)
	f := s.fleet(load.FleetConfig{Users: members, Rooms: 1, Bytes: slowBytes})
	h := s.hold(f, members, pace, func(i int) { f.Users()[i%healthy].Operate() })
	r.report(work+", all read", "p99, ms", milliseconds(h.ages.Quantile(0.99)), "")
	s.close()

	s = r.start(unlimited()...)
	f = s.newFleet(load.FleetConfig{Users: members, Rooms: 1, Bytes: slowBytes})
	for _, u := range f.Users()[healthy:] {
		u.ReadBuffer = 64 << 10 // else the kernel hides megabytes of what nobody reads
	}
	r.must(f.Join(f.Users()))
	r.must(f.Settle())
	t := &stalled{run: r, site: s, fleet: f, healthy: healthy, counts: make([]int64, members)}
	t.play(pace, work+", 50 of 60 stalled")
	s.close()
}

// stalled is a room in which some stop reading.
type stalled struct {
	run     *Run
	site    *site
	fleet   *load.Fleet
	healthy int // the first so many users
	counts  []int64
	closed  int // by the server, being slow
	ages    load.Histogram
	late    load.Histogram
}

func (t *stalled) play(pace float64, work string) {
	r, f := t.run, t.fleet
	r.Helper()
	f.Heard = func(u *load.User, _ int, age time.Duration) {
		t.counts[u.Number]++
		if u.Number < t.healthy {
			t.ages.Add(age)
		}
	}
	f.Ended = func(*load.User, error) { t.closed++ }
	for _, u := range f.Users()[t.healthy:] {
		u.Stall(true)
	}
	before := t.site.look()
	r.must(f.Run(4*r.For, pace, &t.late, func(i int) { f.Users()[i%t.healthy].Operate() }))
	sent := t.late.Count()
	r.must(f.Until("deliveries to those who read", draining, func() bool { return t.least(t.healthy) == sent }))
	used, _ := t.site.since(before)
	peak := t.site.usage(t.site.servers[0].Pid()).Peak
	start := f.Look()
	for _, u := range f.Users()[t.healthy:] {
		u.Stall(false)
	}
	r.must(f.Until("the slow ones", draining, func() bool { return t.caughtUp(sent)+t.closed == len(t.counts) }))
	r.report(work, "p99 of the others, ms", milliseconds(t.ages.Quantile(0.99)), "3 x all read")
	r.report(work, "resident MB more", float64(used.resident)/(1<<20), "")
	r.report(work, "resident MB at most", float64(peak)/(1<<20), "")
	r.report(work, "closed as slow", float64(t.closed), "")
	r.report(work, "until all others are caught up, ms", milliseconds(f.Look()-start), "")
}

// least is what the first users have received at least.
func (t *stalled) least(users int) int64 {
	least := t.counts[0]
	for _, count := range t.counts[:users] {
		least = min(least, count)
	}
	return least
}

func (t *stalled) caughtUp(sent int64) (count int) {
	for _, received := range t.counts {
		if received == sent {
			count++
		}
	}
	return count
}
