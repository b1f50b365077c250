package flow_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// timed takes tokens like "ann 60s", which name a user and when the token ends, counted from now.
func timed() func(context.Context, string) (flow.User, error) {
	start := time.Now()
	return func(_ context.Context, token string) (flow.User, error) {
		user, text, _ := strings.Cut(token, " ")
		after, err := time.ParseDuration(text)
		if err != nil {
			return flow.User{}, flow.Errorf(flow.CodeUnauthenticated, "no good")
		}
		return flow.User{ID: user, Expires: start.Add(after)}, nil
	}
}

// renew sends auth with a token, and returns the answer.
func (c *client) renew(token string) msg {
	c.t.Helper()
	return c.request(msg{"type": "auth", "token": token})
}

// wantExpiry checks that connections live until a time, and are told within the five seconds after it that their
// token has expired.
func wantExpiry(t *testing.T, at time.Time, clients ...*client) {
	t.Helper()
	advance(time.Until(at))
	for _, c := range clients {
		if c.count("bye") > 0 {
			t.Errorf("it ended too early: %s", c.transcript())
		}
	}
	advance(5*time.Second - time.Millisecond)
	for _, c := range clients {
		bye, told := c.poll(func(m msg) bool { return m.str("type") == "bye" })
		if wait, said := bye["reconnect"]; !told || bye.str("code") != "token_expired" || !said || wait != 0.0 {
			t.Errorf("bye is %v; got %s", bye, c.transcript())
		}
		if code := c.closed(); code != 4101 {
			t.Errorf("close code is %d", code)
		}
	}
}

// watch opens a stream.
func watch(t *testing.T, h *flow.Hub, user *flow.User, room string) *client {
	t.Helper()
	c := &client{t: t, pipe: newPipe()}
	conn, err := h.Watch(t.Context(), c.pipe, flow.Client{User: user}, room, "")
	if err != nil {
		t.Fatal(err)
	}
	c.conn = conn
	t.Cleanup(c.drop)
	c.expect("joined")
	return c
}

func TestConn_Expiry(t *testing.T) {
	t.Run("ends", func(t *testing.T) { synctest.Test(t, testExpiryEnds) })
	t.Run("renewed", func(t *testing.T) { synctest.Test(t, testExpiryRenewed) })
	t.Run("not renewed", func(t *testing.T) { synctest.Test(t, testExpiryNotRenewed) })
	t.Run("leeway", func(t *testing.T) { synctest.Test(t, testExpiryLeeway) })
	t.Run("far away", func(t *testing.T) { synctest.Test(t, testExpiryFarAway) })
	t.Run("rights", func(t *testing.T) { synctest.Test(t, testExpiryRights) })
}

// Sockets and streams are told when their token ends, and end then: whether the token came with the request or with
// the first message. I6
func testExpiryEnds(t *testing.T) {
	h := open(t, flow.Config{VerifyToken: timed()})
	end := time.Now().Add(time.Minute)
	early := &flow.User{ID: "ann", Expires: end}
	stream, socket, late := watch(t, h, early, "r"), dialAs(t, h, early), dialAs(t, h, nil)
	if got := late.renew("ann 1m"); got.num("expires") != end.UnixMilli() || got.str("user") != "ann" {
		t.Errorf("auth answered %v", got)
	}
	socket.join("r")
	late.join("r")
	socket.op("r", 1, 1)
	for _, c := range []*client{stream, socket, late} {
		c.expect("op")
	}
	welcome := dialAs(t, h, early)
	if text := welcome.transcript(); !strings.Contains(text, `"expires":`) {
		t.Errorf("welcome is %s", text)
	}
	wantExpiry(t, end, stream, socket, late, welcome)
	closeHub(t, h)
}

// A client that renews its token goes on where it is, over and over: nothing is lost, repeated or told twice. I4
func testExpiryRenewed(t *testing.T) {
	h := open(t, flow.Config{VerifyToken: timed()})
	start := time.Now()
	a, b := dialAs(t, h, nil), dial(t, h, "bob")
	a.renew("ann 10s")
	b.join("r")
	session := a.join("r").str("session")
	a.join("q")
	n := 0
	for _, token := range []string{"ann 20s", "ann 30s", "ann 40s"} {
		for range 9 {
			advance(time.Second)
			n++
			b.op("r", n, n)
		}
		if got := a.renew(token); got.str("type") != "ok" || got.str("user") != "ann" || got.num("expires") == 0 {
			t.Errorf("auth answered %v", got)
		}
	}
	a.op("r", 1, "mine")
	a.op("q", 1, "mine")
	advance(time.Second)
	if got := a.count("op"); got != n+2 || a.count("left")+a.count("rewind") > 0 || a.count("joined") != 2 {
		t.Errorf("%d operations came, want %d: %s", got, n+2, a.transcript())
	}
	if j := a.join("r"); j.str("session") != session {
		t.Errorf("joined is %v", j)
	}
	wantExpiry(t, start.Add(40*time.Second), a)
	b.drop()
	closeHub(t, h)
}

// Who comes with a token that is not its own, bad or over is refused, and keeps what it has until its own end. I6
func testExpiryNotRenewed(t *testing.T) {
	h := open(t, flow.Config{VerifyToken: timed(), Anonymous: true, AdminToken: "the-admin-token"})
	start := time.Now()
	a, nobody := dialAs(t, h, nil), dialAs(t, h, &flow.User{ID: "anonymous-1", Anonymous: true})
	a.renew("ann 30s")
	a.join("r")
	advance(20 * time.Second)
	for token, code := range map[string]string{
		"bob 1h": "forbidden", "the-admin-token": "forbidden", "Ann 1h": "forbidden",
		"ann": "unauthenticated", "": "unauthenticated", "ann 1s": "token_expired", "bob 1s": "token_expired",
	} {
		if got := a.renew(token); got.str("type") != "error" || got.str("code") != code {
			t.Errorf("%q got %v", token, got)
		}
		if got := nobody.renew(token); got.str("type") != "error" || got.str("code") != code {
			t.Errorf("%q of an anonymous socket got %v", token, got)
		}
	}
	for _, token := range []string{"anonymous-1 1h", "ann 1h"} {
		if got := nobody.renew(token); got.str("code") != "forbidden" {
			t.Errorf("%q of an anonymous socket got %v", token, got)
		}
	}
	a.op("r", 1, 1)
	if op := a.expect("op"); op.str("user") != "ann" {
		t.Errorf("op is %v", op)
	}
	wantExpiry(t, start.Add(30*time.Second), a)
	if nobody.count("bye") > 0 {
		t.Errorf("an anonymous socket has no end: %s", nobody.transcript())
	}
	nobody.drop()
	closeHub(t, h)
}

// A token that ended a moment ago is good for what is left of the leeway, and never for longer than five seconds
// after its end. A renewal may also bring the end nearer.
func testExpiryLeeway(t *testing.T) {
	h := open(t, flow.Config{VerifyToken: timed()})
	start := time.Now()
	advance(13 * time.Second)
	a, b := dialAs(t, h, nil), dialAs(t, h, nil)
	if got := a.renew("ann 10s"); got.str("type") != "ok" {
		t.Errorf("three seconds after the end: %v", got)
	}
	b.renew("ann 1h")
	if got := b.renew("ann 20s"); got.num("expires") != start.Add(20*time.Second).UnixMilli() {
		t.Errorf("a nearer end: %v", got)
	}
	advance(time.Until(start.Add(15 * time.Second)))
	if code := a.closed(); code != 4101 {
		t.Errorf("close code is %d", code)
	}
	wantExpiry(t, start.Add(20*time.Second), b)
	closeHub(t, h)
}

// An end so far away that no timer can count to it is told, and does not come at once.
func testExpiryFarAway(t *testing.T) {
	h := open(t, flow.Config{})
	for _, year := range []int{2262, 2400, 9999} {
		end := time.Date(year, 12, 31, 23, 59, 59, 0, time.UTC)
		c := dialAs(t, h, &flow.User{ID: "ann", Expires: end})
		s := watch(t, h, &flow.User{ID: "ann", Expires: end}, "r")
		advance(10 * time.Second)
		if c.count("bye")+s.count("bye") > 0 {
			t.Errorf("%d: %s %s", year, c.transcript(), s.transcript())
		}
		c.join("r")
		c.drop()
		s.drop()
	}
	closeHub(t, h)
}

// A renewal asks what the user may do in every room: a no ends that membership and no other, in whatever way it is
// said, and a hook that cannot say anything leaves all as it was. I6
func testExpiryRights(t *testing.T) {
	var fails atomic.Bool
	h := open(t, flow.Config{
		VerifyToken: timed(),
		Authorize: func(_ context.Context, user flow.User, room string) (flow.Access, error) {
			now := time.Until(user.Expires) > time.Hour // by the token of the second renewal
			switch {
			case fails.Load() && room == "panics":
				panic("the hook of the test")
			case fails.Load():
				return flow.None, errors.New("the database is away")
			case now && room == "none":
				return flow.None, nil
			case now && room == "coded":
				return flow.None, flow.Errorf(flow.CodeForbidden, "not any more")
			case now && room == "gone":
				return flow.None, flow.Errorf(flow.CodeNotFound, "no such room")
			case now && room == "reader":
				return flow.Viewer, nil
			default:
				return flow.Editor, nil
			}
		},
	})
	a := dialAs(t, h, nil)
	a.renew("ann 30m")
	rooms := []string{"none", "coded", "gone", "reader", "panics", "stays"}
	for _, room := range rooms {
		a.join(room)
	}
	fails.Store(true)
	if got := a.renew("ann 40m"); got.str("type") != "ok" {
		t.Errorf("auth answered %v", got)
	}
	fails.Store(false)
	if n := a.count("left"); n > 0 {
		t.Errorf("a hook that failed ended %d memberships", n)
	}
	a.renew("ann 2h")
	for _, room := range rooms[:3] {
		if left := a.expect("left"); left.str("room") != room || left.str("reason") != "forbidden" {
			t.Errorf("left is %v", left)
		}
	}
	for _, room := range rooms[:3] {
		if got := a.request(msg{"type": "join", "room": room}); got.str("type") != "error" {
			t.Errorf("%s can be joined: %v", room, got)
		}
	}
	a.op("reader", 1, 1)
	if got := a.expect("nack"); got.str("code") != "forbidden" {
		t.Errorf("a reader's operation got %v", got)
	}
	for _, room := range rooms[4:] {
		a.op(room, 1, 1)
		a.expect("op")
	}
	a.drop()
	closeHub(t, h)
}
