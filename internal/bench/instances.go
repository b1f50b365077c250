//go:build linux

package bench

import "github.com/fiberflow/flow/internal/load"

// twoInstances is 50 rooms of 4, two members of each on either instance, and 2,000 messages a second.
func (r *Run) twoInstances() {
	rooms := r.pick(50, 2)
	for _, k := range kinds() {
		s := r.startRedis(2)
		f := s.fleet(load.FleetConfig{Users: 4 * rooms, Rooms: rooms, Fleeting: !k.safe})
		users := f.Users()
		h := s.hold(f, 4, float64(r.pick(2000, 200)), func(i int) { k.send(users[i%len(users)]) })
		work := "two instances, 50 rooms of 4, 2,000 messages a second, " + k.name
		r.report(work, "to the other instance, p50, ms", milliseconds(h.across.Quantile(0.5)), "0.34")
		r.report(work, "to the other instance, p99, ms", milliseconds(h.across.Quantile(0.99)), "")
		r.report(work, "CPU s a million deliveries, both", h.perMillion(), "56")
		r.report(work, "CPU s of Redis a million deliveries", h.used.redis.Seconds()/float64(h.deliveries)*1e6, "")
		s.close()
	}
}
