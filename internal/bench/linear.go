//go:build linux

package bench

import (
	"fmt"

	"github.com/fiberflow/flow/internal/load"
)

// linearMembers is 50,000 deliveries a second among 1,000 users, in rooms of 10, of 100 and of 1,000.
func (r *Run) linearMembers() {
	for _, members := range []int{10, 100, 1000} {
		users := r.pick(1000, 20)
		members = min(members, users)
		r.linear(users, users/members, fmt.Sprintf("1,000 users in rooms of %d", members))
	}
}

// linearRooms is 8,000 operations a second in 100, 1,000 and 10,000 rooms of one user each; a process may
// have 20,000 sockets here.
func (r *Run) linearRooms() {
	for _, rooms := range []int{100, 1000, 10_000} {
		rooms = min(rooms, r.pick(rooms, 20))
		r.linear(rooms, rooms, fmt.Sprintf("%d rooms of one", rooms))
	}
}

// linear measures what deliveries cost in rooms of the same size.
func (r *Run) linear(users, rooms int, work string) {
	r.Helper()
	s := r.start(append(unlimited(), "COLLAB_ROOM_JOINS_PER_SECOND=100000")...)
	f := s.fleet(load.FleetConfig{Users: users, Rooms: rooms})
	members := users / rooms
	deliveries := r.pick(50_000, 400)
	if members == 1 {
		deliveries = r.pick(8_000, 400)
	}
	h := s.hold(f, members, float64(deliveries)/float64(members), func(i int) { f.Users()[i%users].Operate() })
	r.report(work, "deliveries a CPU second", h.perSecond(), "within 20 %")
	r.report(work, "p99, ms", milliseconds(h.ages.Quantile(0.99)), "")
	s.close()
}

// largeRoom is 1,000 participants of one room, 100 of whom move.
func (r *Run) largeRoom() {
	members := r.pick(1000, 8)
	s := r.start("COLLAB_ROOM_JOINS_PER_SECOND=100000")
	v := r.watch(s, members, members/10+1)
	work := "room of 1,000, 100 cursors 20 times a second"
	r.report(work, "positions shown, %", 100*float64(v.shown)/float64(v.expected), "")
	r.report(work, "age of the position shown, p99, ms", milliseconds(v.ages.Quantile(0.99)), "")
	r.report(work, "KB a second a member", float64(v.bytes)/1024/v.took.Seconds()/float64(members), "")
	r.report(work, "server, % of a core", 100*v.used.cpu.Seconds()/v.took.Seconds(), "")
	r.report(work, "generator, % of a core", 100*v.used.me.Seconds()/v.took.Seconds(), "")
	s.close()
}
