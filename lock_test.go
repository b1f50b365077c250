package flow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// locksOf returns the locks that a client sees a session have, by all messages of presence so far.
func locksOf(c *client, session string) (shown string) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	for _, f := range c.pipe.frames {
		var m struct {
			Join   []flow.Participant
			Update map[string]map[string]any
		}
		if f.Type != "presence" {
			continue
		}
		if err := json.Unmarshal(f.JSON, &m); err != nil {
			c.t.Fatalf("%v: %s", err, f.JSON)
		}
		for _, p := range m.Join {
			if p.Session == session {
				shown = locksIn(c.t, p)
			}
		}
		if locks, ok := m.Update[session]["$locks"]; ok {
			shown = fmt.Sprint(locks)
		}
	}
	return shown
}

// locksIn returns the locks that a participant is shown with.
func locksIn(t testing.TB, p flow.Participant) string {
	t.Helper()
	var keys map[string]any
	if err := json.Unmarshal(p.Presence, &keys); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(keys["$locks"])
}

func wantLocks(t *testing.T, c *client, session, want string) {
	t.Helper()
	eventually(t, "locks are shown as "+want, func() bool { return locksOf(c, session) == want })
}

// A lock is one session's until it is released or ends; others are told when, and everybody sees who has it.
func TestConn_Lock(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		ann, bob := dial(t, one, "ann"), dial(t, two, "bob")
		me := ann.join("r").str("session")
		bob.join("r")
		got := ann.request(msg{"type": "lock", "room": "r", "name": "card 1"})
		if got.str("type") != "ok" || got.str("name") != "card 1" || got.num("ttl") != 10000 {
			t.Fatalf("lock answered %v", got)
		}
		wantLocks(t, bob, me, "[card 1]")
		refused := bob.request(msg{"type": "lock", "room": "r", "name": "card 1"})
		if refused.str("code") != "locked" || refused.num("retryAfter") < 1 || refused.num("retryAfter") > 10000 {
			t.Errorf("another's lock answered %v", refused)
		}
		got = ann.request(msg{"type": "lock", "room": "r", "name": "card 1", "ttl": 60000})
		if got.num("ttl") != 60000 {
			t.Errorf("renewal answered %v", got)
		}
		list, err := two.Locks(t.Context(), "r")
		if err != nil || len(list) != 1 || list[0].Name != "card 1" || list[0].Owner != me ||
			list[0].TTL > time.Minute {
			t.Errorf("locks %v, %v", list, err)
		}
		if got := bob.request(msg{"type": "unlock", "room": "r", "name": "card 1"}); got.str("type") != "ok" {
			t.Errorf("unlock of another's answered %v", got)
		}
		if got := ann.request(msg{"type": "unlock", "room": "r", "name": "card 1"}); got.str("type") != "ok" {
			t.Errorf("unlock answered %v", got)
		}
		wantLocks(t, bob, me, "<nil>")
		if got := bob.request(msg{"type": "lock", "room": "r", "name": "card 1"}); got.str("type") != "ok" {
			t.Errorf("a free lock answered %v", got)
		}
		if err := one.Lock(t.Context(), "r", "card 1", "job", time.Second); flow.ErrorCode(err) != flow.CodeLocked {
			t.Errorf("the application's lock: %v", err)
		}
		bob.request(msg{"type": "leave", "room": "r"})
		eventually(t, "a lock ends with its session", func() bool {
			return one.Lock(t.Context(), "r", "card 1", "job", time.Second) == nil
		})
		if err := one.Unlock(t.Context(), "r", "card 1", "job"); err != nil {
			t.Error(err)
		}
	})
}

// Of many sessions on two instances that want one lock at the same time, one gets it.
func TestConn_LockRace(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		var won atomic.Int32
		var all sync.WaitGroup
		for i := range 40 {
			c := dial(t, []*flow.Hub{one, two}[i%2], fmt.Sprint("u", i))
			c.join("r")
			all.Go(func() {
				if c.request(msg{"type": "lock", "room": "r", "name": "x", "ttl": 60000}).str("type") == "ok" {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d sessions got the lock, want 1", won.Load())
		}
	})
}

// A session that moves to another instance keeps its locks, and shows them there.
func TestConn_LockMoves(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		ann, bob := dial(t, one, "ann"), dial(t, two, "bob")
		j := ann.join("r")
		bob.join("r")
		ann.request(msg{"type": "lock", "room": "r", "name": "x", "ttl": 60000})
		wantLocks(t, bob, j.str("session"), "[x]")
		ann.drop()
		again := dial(t, two, "ann")
		again.join("r", msg{"resume": j.str("resume")})
		if got := bob.request(msg{"type": "lock", "room": "r", "name": "x"}); got.str("code") != "locked" {
			t.Errorf("the lock of one who moved answered %v", got)
		}
		if got := again.request(msg{"type": "lock", "room": "r", "name": "x"}); got.str("type") != "ok" {
			t.Errorf("renewal after the move answered %v", got)
		}
	})
}

// A lock ends by itself: then it is shown no more, and free.
func TestConn_LockEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, flow.Config{})
		ann, bob := dial(t, h, "ann"), dial(t, h, "bob")
		me := ann.join("r").str("session")
		bob.join("r")
		ann.request(msg{"type": "lock", "room": "r", "name": "x", "ttl": 2000})
		advance(1900 * time.Millisecond)
		if got := locksOf(bob, me); got != "[x]" {
			t.Errorf("locks are shown as %q", got)
		}
		advance(500 * time.Millisecond)
		if got := locksOf(bob, me); got != "<nil>" {
			t.Errorf("locks that have ended are shown as %q", got)
		}
		if got := bob.request(msg{"type": "lock", "room": "r", "name": "x"}); got.str("type") != "ok" {
			t.Errorf("lock answered %v", got)
		}
		ann.drop()
		bob.drop()
		closeHub(t, h)
	})
}

// vicMayRead makes editors of all but vic.
func vicMayRead(_ context.Context, user flow.User, _ string) (flow.Access, error) {
	if user.ID == "vic" {
		return flow.Viewer, nil
	}
	return flow.Editor, nil
}

// What is no lock is refused with its code, and the server's key of presence is not for clients.
func TestConn_LockRefused(t *testing.T) {
	h := newHub(t, flow.Config{Authorize: vicMayRead})
	c := dial(t, h, "ann")
	want := func(c *client, code string, m msg) {
		t.Helper()
		if got := c.request(m); got.str("code") != code {
			t.Errorf("%v answered %v, want %s", m, got, code)
		}
	}
	want(c, "not_joined", msg{"type": "lock", "room": "r", "name": "x"})
	c.join("r")
	for _, bad := range []msg{
		{}, {"name": ""}, {"name": "~x"}, {"name": strings.Repeat("x", 129)}, {"name": 5}, {"name": "x", "ttl": 999},
		{"name": "x", "ttl": 60001},
		{"name": "x", "ttl": "1000"}, {"name": "x", "ttl": 1500.5}, {"name": "x", "ttl": -1},
	} {
		bad["type"], bad["room"] = "lock", "r"
		want(c, "invalid_message", bad)
	}
	for i := range 32 {
		c.request(msg{"type": "lock", "room": "r", "name": fmt.Sprint(i)})
	}
	want(c, "too_large", msg{"type": "lock", "room": "r", "name": "one more"})
	want(c, "", msg{"type": "lock", "room": "r", "name": "0"})
	want(c, "invalid_message", msg{"type": "presence", "room": "r", "data": msg{"$locks": []string{"mine"}}})
	want(c, "invalid_message", msg{"type": "join", "room": "r2", "presence": msg{"$locks": []string{"mine"}}})
	v := dial(t, h, "vic")
	v.join("r")
	want(v, "forbidden", msg{"type": "lock", "room": "r", "name": "x"})
}
