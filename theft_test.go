package flow_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/redisx"
)

// resume asks to join a room with a token, and returns the answer.
func (c *client) resume(room, token string) msg {
	c.t.Helper()
	return c.request(msg{"type": "join", "room": room, "resume": token})
}

// wantStale has somebody try a token on both instances.
func wantStale(t *testing.T, what, room, token string, user *flow.User, hubs ...*flow.Hub) {
	t.Helper()
	for _, h := range hubs {
		c := dialAs(t, h, user)
		if got := c.resume(room, token); got.str("code") != "stale_session" || got.str("room") != room {
			t.Errorf("%s on %s got %v", what, h.Instance(), got)
		}
		if n := c.count("joined") + c.count("op"); n > 0 {
			t.Errorf("%s was let in on %s: %s", what, h.Instance(), c.transcript())
		}
		c.drop()
	}
}

// A token is of no use to anybody else, nowhere else, and in no other form; its owner notices nothing. I6
func TestCluster_Theft(t *testing.T) {
	onCluster(t, flow.Config{Anonymous: true}, func(t *testing.T, one, two *flow.Hub) {
		ann := &flow.User{ID: "ann"}
		a := dialAs(t, one, ann)
		j := a.join("r")
		token, session := j.str("resume"), j.str("session")
		_, mac, _ := strings.Cut(token, ".")
		for what, user := range map[string]*flow.User{
			"another user":               {ID: "bob"},
			"a user in other letters":    {ID: "Ann"},
			"an anonymous user":          {ID: "anonymous-1", Anonymous: true},
			"an anonymous one named ann": {ID: "ann", Anonymous: true},
			"the admin":                  {ID: "admin", Admin: true},
		} {
			wantStale(t, what, "r", token, user, one, two)
		}
		for _, room := range []string{"q", "R"} {
			wantStale(t, "another room", room, token, ann, one, two)
		}
		for what, forged := range map[string]string{
			"only the session": session, "no MAC": session + ".", "only the MAC": "." + mac, "noise": "x.y", "dot": ".",
			"cut": token[:len(token)-1], "longer": token + "A", "padded": token + "=", "line feed": token + "\n",
			"other letters": strings.ToUpper(token), "another session": "aaaaaaaaaaaaaaaa." + mac,
			"a time": session + "~1." + mac, "long": strings.Repeat("a", 20_000), "NUL": token + "\x00",
		} {
			wantStale(t, what, "r", forged, ann, one, two)
		}
		a.op("r", 1, "mine")
		if op := a.expect("op"); op.str("session") != session || a.count("left")+a.count("bye") > 0 {
			t.Errorf("the owner was bothered: %s", a.transcript())
		}
	})
}

// Anonymous users are known by their tokens; those of users with a name are none of theirs, and the other way
// round. I6
func TestCluster_TheftFromAnonymous(t *testing.T) {
	onCluster(t, flow.Config{Anonymous: true}, func(t *testing.T, one, two *flow.Hub) {
		a := dialAs(t, one, &flow.User{ID: "anonymous-1", Anonymous: true})
		token := a.join("r").str("resume")
		for _, user := range []*flow.User{{ID: "anonymous-1"}, {ID: "anonymous"}, {ID: "ann"}} {
			wantStale(t, user.ID, "r", token, user, one, two)
		}
	})
}

// Whoever presents a token last has the session: the socket before is told, and closed when it has no other room.
// This goes for a thief who is logged in as the owner, too, and the owner can take it back. I4, I5
func TestCluster_DoubleUse(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		first, other := dial(t, one, "ann"), dial(t, one, "ann")
		j := first.join("r")
		other.join("q")
		token := j.str("resume")
		last := first
		for i, h := range []*flow.Hub{two, one, two} {
			c := dial(t, h, "ann")
			if i == 1 { // a socket with another room stays
				c = other
			}
			if got := c.resume("r", token); got.str("session") != j.str("session") {
				t.Fatalf("the owner got %v", got)
			}
			if left := last.expect("left"); left.str("reason") != "replaced" || left.str("room") != "r" {
				t.Errorf("left is %v", left)
			}
			if last != other {
				if code := last.closed(); code != 4105 {
					t.Errorf("close code is %d", code)
				}
			}
			last = c
		}
		other.op("r", 1, 1)
		if got := other.expect("nack"); got.str("code") != "not_joined" {
			t.Errorf("who has lost it writes, and gets %v", got)
		}
		last.op("r", 1, 1)
		last.expect("op")
	})
}

// A session that has ended cannot be had again, on no instance, however soon after: not one that its client left,
// nor one that was kicked or whose user was, with a socket or without. I6
func TestCluster_ReplayAfterEnd(t *testing.T) {
	onCluster(t, flow.Config{Grace: time.Millisecond}, func(t *testing.T, one, two *flow.Hub) {
		kickAt := func(h *flow.Hub) func(*client, string) error {
			return func(c *client, session string) error {
				kick(c.t, h, "r", session)
				if left := c.expect("left"); left.str("reason") != "kicked" {
					return fmt.Errorf("left is %v", left)
				}
				return nil
			}
		}
		ends := map[string]func(c *client, session string) error{
			"left": func(c *client, _ string) error {
				c.request(msg{"type": "leave", "room": "r"})
				return nil
			},
			"kicked":       kickAt(one),
			"kicked there": kickAt(two),
			"away and kicked": func(c *client, session string) error {
				c.drop()
				eventually(c.t, "the session waits to be resumed", func() bool {
					s, err := two.Config().Sessions.Get(context.Background(), session)
					return err == nil && s.Instance == ""
				})
				return two.Kick(context.Background(), "r", session)
			},
			"user kicked": func(c *client, _ string) error { return one.KickUser(context.Background(), c.user) },
		}
		for name, end := range ends {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // who asks in vain whether anybody has a session waits
				c := dial(t, one, "user "+name)
				j := c.join("r")
				if err := end(c, j.str("session")); err != nil {
					t.Fatal(err)
				}
				thief := &flow.User{ID: c.user}
				wantStale(t, "soon after", "r", j.str("resume"), thief, one)
				eventually(t, "the store has heard", func() bool {
					_, err := two.Config().Sessions.Get(t.Context(), j.str("session"))
					return flow.ErrorCode(err) == flow.CodeNotFound
				})
				wantStale(t, "later", "r", j.str("resume"), thief, two)
			})
		}
	})
}

// slowStore is a store of sessions that forgets late.
type slowStore struct {
	flow.SessionStore
	hold chan struct{} // until it is closed
}

func (s *slowStore) Delete(ctx context.Context, id string) error {
	select {
	case <-s.hold:
	case <-ctx.Done():
	}
	return s.SessionStore.Delete(ctx, id)
}

// A client that comes to another instance before the store has forgotten the session it was kicked from is put
// out of there as well. I6
func TestCluster_ReplayBeforeStoreForgets(t *testing.T) {
	cfg := memory(flow.Config{})
	cfg.Secrets = func() [][]byte { return [][]byte{[]byte("shared")} }
	slow := &slowStore{SessionStore: cfg.Sessions, hold: make(chan struct{})}
	cfg.Instance, cfg.Sessions = "one", slow
	one := newHub(t, cfg)
	cfg.Instance, cfg.Sessions = "two", slow.SessionStore
	two := newHub(t, cfg)
	defer close(slow.hold)
	a := dial(t, one, "ann")
	j := a.join("r")
	if err := one.Kick(t.Context(), "r", j.str("session")); err != nil {
		t.Fatal(err)
	}
	wantStale(t, "kicked", "r", j.str("resume"), &flow.User{ID: "ann"}, one)
	back := dial(t, two, "ann")
	back.resume("r", j.str("resume"))
	if left := back.expect("left"); left.str("reason") != "kicked" {
		t.Errorf("left is %v", left)
	}
	if code := back.closed(); code != 4102 {
		t.Errorf("close code is %d", code)
	}
}

// A session can be resumed until its TTL is over, and not after. I7
func TestConn_ReplayAfterTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = time.Minute
		h := open(t, flow.Config{
			SessionTTL: ttl, Sessions: memx.NewSessionStore(memx.SessionConfig{SessionTTL: ttl}),
		})
		a := dial(t, h, "ann")
		token := a.join("r").str("resume")
		advance(3 * ttl) // it lives as long as its socket does
		a.drop()
		advance(ttl - 10*time.Second)
		b := dial(t, h, "ann")
		if got := b.resume("r", token); got.str("type") != "joined" {
			t.Errorf("within the TTL the answer is %v", got)
		}
		b.drop()
		advance(ttl + 10*time.Second)
		wantStale(t, "expired", "r", token, &flow.User{ID: "ann"}, h)
		closeHub(t, h)
	})
}

// So it is on Redis, which keeps sessions a quarter longer than promised. I7
func TestCluster_ReplayAfterTTL(t *testing.T) {
	prefix := redistest.Prefix(t)
	short := func(instance string) *flow.Hub {
		conn, err := redisx.Open(t.Context(), redisx.Config{
			Addrs: []string{shared.Server(t).Addr()}, Prefix: prefix, Logger: quiet(), Timeout: patience,
			SessionTTL: 400 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := conn.Close(); err != nil {
				t.Errorf("close connection: %v", err)
			}
		})
		return newHub(t, memory(flow.Config{
			Instance: instance, Log: redisx.NewLog(conn), Bus: redisx.NewBus(conn),
			Sessions: redisx.NewSessionStore(conn), SessionTTL: 400 * time.Millisecond, Grace: time.Millisecond,
			Secrets: func() [][]byte { return [][]byte{[]byte("shared")} },
		}))
	}
	one, two := short("one"), short("two")
	a := dial(t, one, "ann")
	j := a.join("r")
	a.drop()
	eventually(t, "the session has expired", func() bool {
		_, err := one.Config().Sessions.Get(t.Context(), j.str("session"))
		return flow.ErrorCode(err) == flow.CodeNotFound && one.Stats().Sessions == 0
	})
	wantStale(t, "expired", "r", j.str("resume"), &flow.User{ID: "ann"}, one, two)
}

// The sessions of a room end with it. I6
func TestCluster_ReplayIntoDeletedRoom(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		a := dial(t, one, "ann")
		token := a.join("r").str("resume")
		if err := two.DeleteRoom(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		if left := a.expect("left"); left.str("reason") != "deleted" {
			t.Errorf("left is %v", left)
		}
		for _, h := range []*flow.Hub{one, two} { // what is known first: the end of the session, or of the room
			got := dial(t, h, "ann").resume("r", token)
			if code := got.str("code"); code != "stale_session" && code != "room_deleted" {
				t.Errorf("on %s the token got %v", h.Instance(), got)
			}
		}
		if got := a.request(msg{"type": "join", "room": "r"}); got.str("code") != "room_deleted" {
			t.Errorf("without a token the answer is %v", got)
		}
	})
}

// While a secret is replaced instance by instance, tokens of both are good where both are known; those of the old
// one end with it. A token of an instance without the secret is good nowhere else. I6, I7
func TestCluster_ReplayAcrossSecrets(t *testing.T) {
	cfg := memory(flow.Config{})
	secrets := func(names ...string) [][]byte {
		var keys [][]byte
		for _, name := range names {
			keys = append(keys, []byte(name))
		}
		return keys
	}
	hub := func(instance string, keys [][]byte) (*flow.Hub, *atomic.Pointer[[][]byte]) {
		known := &atomic.Pointer[[][]byte]{}
		known.Store(&keys)
		cfg.Instance, cfg.Secrets = instance, func() [][]byte { return *known.Load() }
		return newHub(t, cfg), known
	}
	one, keysOfOne := hub("one", secrets("old"))
	two, keysOfTwo := hub("two", secrets("old"))
	cfg.Instance, cfg.Secrets = "three", nil
	drawn := newHub(t, cfg) // draws its own
	rejoin := func(h *flow.Hub, token string) msg { return dial(t, h, "ann").resume("r", token) }

	session := func(h *flow.Hub) (id, token string) {
		j := dial(t, h, "ann").join("r")
		return j.str("session"), j.str("resume")
	}
	id, before := session(one)
	stranger, unknown := session(drawn)
	wantStale(t, "a token of an instance without the secret", "r", unknown, &flow.User{ID: "ann"}, one, two)
	wantStale(t, "a token of the others", "r", before, &flow.User{ID: "ann"}, drawn)
	if got := rejoin(drawn, unknown); got.str("session") != stranger {
		t.Errorf("its own token got %v", got)
	}

	both, turned, last := secrets("old", "new"), secrets("new", "old"), secrets("new")
	keysOfOne.Store(&both) // first all learn the new one, then all sign with it, then the old one goes
	if got := rejoin(two, before); got.str("session") != id {
		t.Errorf("when one instance has both the answer is %v", got)
	}
	keysOfTwo.Store(&both)
	keysOfOne.Store(&turned)
	got := rejoin(one, before)
	after := got.str("resume")
	if got.str("session") != id || after == before {
		t.Errorf("after the turn the answer is %v", got)
	}
	if got := rejoin(two, after); got.str("session") != id {
		t.Errorf("a token of the new secret got %v", got)
	}
	keysOfOne.Store(&last)
	keysOfTwo.Store(&last)
	wantStale(t, "a token of the old secret", "r", before, &flow.User{ID: "ann"}, one, two)
	if got := rejoin(two, after); got.str("session") != id {
		t.Errorf("at the end a token of the new secret got %v", got)
	}
}
