package flow_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// leaveBehind joins rooms on one socket after the other, which are lost, and returns the answer to the last join.
func leaveBehind(t *testing.T, h *flow.Hub, user string, sessions int) (last msg) {
	t.Helper()
	for sessions > 0 {
		c := dial(t, h, user)
		for i := 0; i < 32 && sessions > 0; i++ {
			last = c.join(fmt.Sprint("r", i))
			sessions--
		}
		c.drop()
	}
	advance(10 * time.Second)
	return last
}

// kept returns how many sessions of a user a store has.
func kept(t *testing.T, store flow.SessionStore, user string) (count int) {
	t.Helper()
	for after := ""; ; {
		page, err := store.List(t.Context(), flow.SessionQuery{User: user, Detached: true, After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return count
		}
		count, after = count+len(page), page[len(page)-1].ID
	}
}

// Who joins and goes away over and over leaves a bounded number of sessions behind: what is beyond ends with its
// socket. Others, and who comes with patience, are not touched. I9
func TestHub_SessionsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memx.NewSessionStore(memx.SessionConfig{})
		h := open(t, flow.Config{
			Sessions: store,
			Quotas:   flow.Quotas{UserSockets: 1000, UserJoinsPerSecond: 10_000, RoomJoinsPerSecond: 10_000},
		})
		resume := func(joined msg) msg {
			t.Helper()
			c := dial(t, h, "eve")
			defer c.drop()
			return c.request(msg{"type": "join", "room": joined.str("room"), "resume": joined.str("resume")})
		}
		first := leaveBehind(t, h, "eve", 1)
		last := leaveBehind(t, h, "eve", 1200)
		if n := kept(t, store, "eve"); n < 1000 || n > 1010 {
			t.Errorf("%d sessions are kept", n)
		}
		if got := resume(first); got.str("session") != first.str("session") {
			t.Errorf("the first came back as %v", got)
		}
		if got := resume(last); got.str("code") != "stale_session" {
			t.Errorf("the last came back as %v", got)
		}
		leaveBehind(t, h, "bob", 1)
		if n := kept(t, store, "bob"); n != 1 {
			t.Errorf("%d of another user's sessions are kept", n)
		}
		advance(10 * time.Minute)
		later := leaveBehind(t, h, "eve", 1)
		if got := resume(later); got.str("session") != later.str("session") {
			t.Errorf("a later one came back as %v", got)
		}
		closeHub(t, h)
	})
}
