package flow_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// everyType has one message of each type of a client but for auth and ping, and one of none.
func everyType() []msg {
	return []msg{
		{"type": "join", "room": "r"}, {"type": "leave", "room": "r"},
		{"type": "op", "room": "r", "n": 1, "data": 1}, {"type": "presence", "room": "r", "data": msg{}},
		{"type": "event", "room": "r", "name": "x"},
		{"type": "snapshot", "room": "r", "position": "1:0000000000000000", "data": 1},
		{"type": "lock", "room": "r", "name": "x"}, {"type": "unlock", "room": "r", "name": "x"},
		{"type": "kick", "room": "r"},
	}
}

func TestConn_Unauthenticated(t *testing.T) {
	t.Run("refused", func(t *testing.T) { synctest.Test(t, testUnauthenticatedRefused) })
	t.Run("closed", func(t *testing.T) { synctest.Test(t, testUnauthenticatedClosed) })
	t.Run("flood", func(t *testing.T) { synctest.Test(t, testUnauthenticatedFlood) })
}

// Whoever has not said who it is gets nothing but that answer, whatever it sends and however: no room is opened
// for it, and no hook is asked. I6
func testUnauthenticatedRefused(t *testing.T) {
	var asked atomic.Int64
	h := open(t, flow.Config{
		VerifyToken: timed(),
		Authorize: func(context.Context, flow.User, string) (flow.Access, error) {
			asked.Add(1)
			return flow.Owner, nil
		},
	})
	c := dialAs(t, h, nil)
	for _, m := range everyType() {
		c.send(m)
		if got := c.expect("error"); got.str("code") != "unauthenticated" {
			t.Errorf("%v got %v", m, got)
		}
	}
	c.conn.Receive([]byte(`[{"type":"join","id":"a","room":"r"},{"type":"ping","id":"b"},{"type":"op","n":1}]`))
	if got := c.expect("error"); got.str("id") != "a" || got.str("code") != "unauthenticated" {
		t.Errorf("a join in an array got %v", got)
	}
	if got := c.expect("pong"); got.str("id") != "b" {
		t.Errorf("a ping in an array got %v", got)
	}
	if got := c.expect("error"); got["id"] != nil || got.str("code") != "unauthenticated" {
		t.Errorf("an operation in an array got %v", got)
	}
	if n := c.count("joined") + c.count("ok"); n > 0 || asked.Load() > 0 || h.Stats().Rooms > 0 {
		t.Errorf("asked %d times, %d rooms are open: %s", asked.Load(), h.Stats().Rooms, c.transcript())
	}
	c.drop()
	closeHub(t, h)
}

// After the time for it who has not said who it is must go, and not before, whatever it does until then; who has
// said it in the last moment stays, until its token ends. I6, I9
func testUnauthenticatedClosed(t *testing.T) {
	h := open(t, flow.Config{VerifyToken: timed(), AuthTimeout: 7 * time.Second})
	silent, busy, late := dialAs(t, h, nil), dialAs(t, h, nil), dialAs(t, h, nil)
	for range 6 {
		advance(time.Second)
		busy.request(msg{"type": "ping"})
		for _, token := range []string{"bad", "ann -1h"} {
			busy.renew(token)
		}
	}
	advance(time.Second - time.Millisecond)
	if silent.count("bye")+busy.count("bye") > 0 {
		t.Errorf("closed too early: %s %s", silent.transcript(), busy.transcript())
	}
	if got := late.renew("ann 1m"); got.str("type") != "ok" {
		t.Errorf("auth in the last moment got %v", got)
	}
	advance(2 * time.Millisecond)
	for _, c := range []*client{silent, busy} {
		if bye := c.expect("bye"); bye.str("code") != "unauthenticated" || bye["reconnect"] != false {
			t.Errorf("bye is %v", bye)
		}
		if code := c.closed(); code != 4100 {
			t.Errorf("close code is %d", code)
		}
	}
	advance(20 * time.Second)
	late.join("r")
	late.drop()
	closeHub(t, h)
}

// Guessing tokens is bounded by the rate of a socket's messages: the application is not asked more often than that,
// and the socket ends within its time. I9
func testUnauthenticatedFlood(t *testing.T) {
	var asked atomic.Int64
	h := open(t, flow.Config{VerifyToken: func(context.Context, string) (flow.User, error) {
		asked.Add(1)
		return flow.User{}, flow.Errorf(flow.CodeUnauthenticated, "no good")
	}})
	c := dialAs(t, h, nil)
	const tries, seconds = 2000, 10
	for range seconds {
		for i := range tries {
			c.send(msg{"type": "auth", "id": "x", "token": fmt.Sprint(i)})
		}
		advance(time.Second)
	}
	if most := int64(200 + 100*seconds); asked.Load() > most || asked.Load() < 200 {
		t.Errorf("the application was asked %d times, want at most %d", asked.Load(), most)
	}
	refused := c.find(func(m msg) bool { return m.str("code") == "rate_limited" })
	if refused.str("type") != "error" || refused.num("retryAfter") < 1 {
		t.Errorf("beyond the rate the answer is %v", refused)
	}
	if code := c.closed(); code != 4100 && code != 4106 {
		t.Errorf("close code is %d", code)
	}
	c.send(msg{"type": "auth", "id": "x", "token": "after the end"})
	closeHub(t, h)
}
