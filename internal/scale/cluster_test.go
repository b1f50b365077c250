package scale_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/scale"
	"github.com/fiberflow/flow/memx"
)

// site is some instances that share their backends, as they would share a Redis.
type site struct {
	*testing.T

	hubs   []*flow.Hub
	counts []*counts
	users  []*user
}

// user is one member of one room.
type user struct {
	room   string
	at     int // the instance
	conn   *flow.Conn
	socket *countedSocket
	n      int // operations
}

func newSite(t *testing.T, instances int) *site {
	t.Helper()
	s := &site{T: t}
	log, bus, sessions := memx.NewLog(memx.LogConfig{}), memx.NewBus(), memx.NewSessionStore(memx.SessionConfig{})
	for i := range instances {
		c := &counts{}
		hub, err := flow.New(flow.Config{
			Log: countedLog{log, c}, Bus: countedBus{bus, c}, Sessions: countedSessions{sessions, c},
			Instance: fmt.Sprint("instance-", i), Logger: slog.New(slog.DiscardHandler),
			Secrets: func() [][]byte { return [][]byte{[]byte("shared")} },
		})
		if err != nil {
			t.Fatal(err)
		}
		s.hubs, s.counts = append(s.hubs, hub), append(s.counts, c)
	}
	return s
}

// close ends all of it.
func (s *site) close() {
	for _, u := range s.users {
		u.conn.Done()
	}
	for _, h := range s.hubs {
		if err := h.Close(context.Background()); err != nil {
			s.Errorf("close hub: %v", err)
		}
	}
}

// connect connects a user to an instance.
func (s *site) connect(u *user, at int) {
	s.Helper()
	u.at, u.socket = at, &countedSocket{counts: s.counts[at]}
	var err error
	if u.conn, err = s.hubs[at].Connect(u.socket, flow.Client{User: &flow.User{ID: "ann"}}); err != nil {
		s.Fatal(err)
	}
}

// fill has rooms of so many members, each on the instance that place says.
func (s *site) fill(rooms, members int, place func(room, member int) int) {
	s.Helper()
	for r := range rooms {
		for m := range members {
			u := &user{room: fmt.Sprint("room-", r)}
			s.connect(u, place(r, m))
			u.conn.Receive(fmt.Appendf(nil, `{"type":"join","id":"j","room":%q}`, u.room))
			s.users = append(s.users, u)
		}
	}
	pass(time.Second) // the clock is synctest's
	s.reset()
}

func (s *site) reset() {
	for _, c := range s.counts {
		c.reset()
	}
}

// pass lets time pass on synctest's clock.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// open returns how many instances have each room open.
func (s *site) open() map[string]map[int]bool {
	at := map[string]map[int]bool{}
	for _, u := range s.users {
		if at[u.room] == nil {
			at[u.room] = map[int]bool{}
		}
		at[u.room][u.at] = true
	}
	return at
}

// sum adds up a count of all instances.
func (s *site) sum(of func(*counts) int64) (n int64) {
	for _, c := range s.counts {
		n += of(c)
	}
	return n
}

const (
	instances = 8
	someRooms = 60
	members   = 6
)

func byChance(room, member int) int { return int(mix(room*members+member) % instances) }
func byRoom(room, _ int) int        { return int(mix(room) % instances) }

// An operation is heard by the instances that have its room open, each once, and by no other. How many these
// are is what Hearing says: most of the members' number by chance, one where the room decides.
func TestCluster_Operations(t *testing.T) {
	for name, c := range map[string]struct {
		place func(room, member int) int
		hear  float64
	}{
		"by chance": {byChance, scale.Hearing(members, instances)},
		"by room":   {byRoom, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, instances)
				defer s.close()
				s.fill(someRooms, members, c.place)
				for _, u := range s.users {
					u.n++
					u.conn.Receive(fmt.Appendf(nil, `{"type":"op","room":%q,"n":%d,"data":{}}`, u.room, u.n))
				}
				pass(time.Second)
				want := make([]int64, instances)
				open := 0
				for _, at := range s.open() {
					open += len(at)
					for i := range at {
						want[i] += members // each member wrote one
					}
				}
				for i, c := range s.counts {
					if got := c.fed.Load(); got != want[i] {
						t.Errorf("instance %d heard %d operations, want %d", i, got, want[i])
					}
				}
				if n := s.sum(func(c *counts) int64 { return c.operations.Load() }); n != someRooms*members {
					t.Errorf("%d operations were appended, want %d", n, someRooms*members)
				}
				if n := s.sum(func(c *counts) int64 { return c.published.Load() }); n != 0 {
					t.Errorf("%d messages on the bus: operations go through the log's own feed", n)
				}
				near(t, "instances that have a room open", float64(open)/someRooms, c.hear, 0.1)
			})
		})
	}
}

// Presence of a room is one message of each instance on which somebody moved, whatever the number of people,
// and each member gets one frame of each such instance: rooms that are on many instances cost more. Whoever
// moved is stored once in five seconds, however often that was.
func TestCluster_Presence(t *testing.T) {
	for name, place := range map[string]func(room, member int) int{"by chance": byChance, "by room": byRoom} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, instances)
				defer s.close()
				s.fill(someRooms, members, place)
				const windows = 5
				for i := range windows {
					for _, u := range s.users {
						u.conn.Receive(fmt.Appendf(nil, `{"type":"presence","room":%q,"data":{"x":%d}}`, u.room, i))
					}
					pass(40 * time.Millisecond)
				}
				pass(time.Second)
				open, heard := 0, 0
				for _, at := range s.open() {
					open += len(at)
					heard += len(at) * len(at)
				}
				published := s.sum(func(c *counts) int64 { return c.published.Load() })
				// The first move of a window may leave alone, ahead of the others.
				within(t, "messages published", published, windows*open, 2*windows*open)
				within(t, "messages heard", s.sum(func(c *counts) int64 { return c.heard.Load() }),
					windows*heard, 2*windows*heard)
				pass(5 * time.Second)
				stored := s.sum(func(c *counts) int64 { return c.stored.Load() })
				within(t, "sessions stored", stored, len(s.users), 2*len(s.users))
				within(t, "frames to members", s.sum(func(c *counts) int64 { return c.frames.Load() }),
					windows*open*members, 2*windows*open*members)
			})
		})
	}
}

// Instances that only live tell each other so every five seconds, and nothing else: the square of their
// number, whatever the number of rooms.
func TestCluster_Idle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, instances)
		defer s.close()
		s.fill(someRooms, members, byChance)
		const beats = 24
		pass(beats * 5 * time.Second)
		within(t, "signs of life heard", s.sum(func(c *counts) int64 { return c.controlHeard.Load() }),
			(beats-1)*instances*instances, (beats+1)*instances*instances)
		said := func(c *counts) int64 { return c.published.Load() + c.batches.Load() + c.stored.Load() }
		if n := s.sum(said); n != 0 {
			t.Errorf("%d messages, batches and sessions of idle rooms, want none", n)
		}
	})
}

// Clients that come back to another instance cost one read and one write of their session, and one message
// that every instance hears.
func TestCluster_Return(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, instances)
		defer s.close()
		s.fill(someRooms, members, byRoom)
		n := len(s.users)
		for _, u := range s.users {
			token, _ := u.socket.token.Load().(string)
			u.conn.Done()
			s.connect(u, (u.at+1)%instances)
			u.conn.Receive(fmt.Appendf(nil, `{"type":"join","id":"j","room":%q,"resume":%q}`, u.room, token))
		}
		pass(time.Second)
		within(t, "sessions read", s.sum(func(c *counts) int64 { return c.asked.Load() }), n, 2*n)
		within(t, "sessions written", s.sum(func(c *counts) int64 { return c.stored.Load() }), n, 2*n)
		heard := s.sum(func(c *counts) int64 { return c.controlHeard.Load() })
		t.Logf("%d returns: %d messages to all instances, heard %d times", n,
			s.sum(func(c *counts) int64 { return c.controlPublished.Load() }), heard)
		within(t, "messages to all, heard", heard, instances, (n+2*instances)*instances)
	})
}

func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	t.Logf("%s: %.2f, the formula says %.2f", what, got, want)
	if math.Abs(got-want) > share*want {
		t.Errorf("%s: %.2f, want %.2f within %.0f %%", what, got, want, 100*share)
	}
}

func within(t *testing.T, what string, got int64, least, most int) {
	t.Helper()
	t.Logf("%s: %d, the formula says %d", what, got, least)
	if got < int64(least) || got > int64(most) {
		t.Errorf("%s: %d, want %d to %d", what, got, least, most)
	}
}
