package flow_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

func TestConn_Welcome(t *testing.T) {
	// The first message tells the contract, the user and the limits.
	h := newHub(t, flow.Config{Instance: "one", Limits: flow.Limits{Rooms: 3}})
	c := dial(t, h, "ann")
	c.next = 0
	w := c.expect("welcome")
	limits, _ := w["limits"].(map[string]any)
	if w.str("protocol") != "flow.v1" || w.str("instance") != "one" || w.str("user") != "ann" ||
		w.str("state") != "live" || w.num("heartbeat") != 25000 ||
		limits["rooms"] != 3.0 || limits["messageBytes"] != 65536.0 {
		t.Fatalf("welcome is %v", w)
	}
}

func TestConn_Join(t *testing.T) {
	t.Run("fields", testJoinFields)
	t.Run("from the beginning", testJoinFromTheBeginning)
	t.Run("from a position", testJoinFromAPosition)
	t.Run("diverged", testJoinDiverged)
	t.Run("trimmed", testJoinTrimmed)
	t.Run("refusals", testJoinRefusals)
	t.Run("again", testJoinAgain)
}

// The answer to a join has every field of the contract, with oneself in the list.
func testJoinFields(t *testing.T) {
	h := newHub(t, flow.Config{})
	c := dial(t, h, "ann")
	j := c.join("r", msg{"presence": msg{"x": 1}})
	if j.str("room") != "r" || j.str("session") == "" || j.str("resume") == "" || j.str("access") != "editor" ||
		j["resumed"] != false || j["n"] != 0.0 || j.str("position") != "0:0000000000000000" ||
		j.str("head") != "0:0000000000000000" || j.str("state") != "live" || j.str("durability") != "memory" {
		t.Fatalf("joined is %v", j)
	}
	list, _ := j["participants"].([]any)
	me, _ := list[0].(map[string]any)
	if len(list) != 1 || me["session"] != j.str("session") || me["user"] != "ann" ||
		fmt.Sprint(me["presence"]) != "map[x:1]" {
		t.Fatalf("participants are %v", list)
	}
}

// A newcomer without a position gets the whole log after joined. I2
func testJoinFromTheBeginning(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 10000}})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	for n := 1; n <= 300; n++ {
		a.op("r", n, n)
		a.expect("op")
	}
	if j := b.join("r"); !strings.HasPrefix(j.str("head"), "300:") {
		t.Fatalf("joined is %v", j)
	}
	checkStream(t, b, 300)
}

// With a position the stream goes on right behind it, with or without a resume token. I4
func testJoinFromAPosition(t *testing.T) {
	h := newHub(t, flow.Config{})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	var second msg
	for n := 1; n <= 5; n++ {
		a.op("r", n, n)
		if op := a.expect("op"); n == 2 {
			second = op
		}
	}
	at := fmt.Sprintf("2:%s", second.str("hash"))
	if j := b.join("r", msg{"position": at}); j["resumed"] != true || j.str("position") != at {
		t.Fatalf("joined is %v", j)
	}
	for want := int64(3); want <= 5; want++ {
		if op := b.expect("op"); op.num("seq") != want {
			t.Fatalf("got op %d, want %d", op.num("seq"), want)
		}
	}
}

// A position that is not in the log starts over, and says why. I2
func testJoinDiverged(t *testing.T) {
	h := newHub(t, flow.Config{})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	a.op("r", 1, 1)
	a.expect("op")
	for _, at := range []string{"1:00000000000000aa", "9:00000000000000aa"} {
		j := b.join("r", msg{"position": at})
		if j["resumed"] != false || j.str("reason") != "diverged" || j.str("position") != "0:0000000000000000" {
			t.Fatalf("joined is %v", j)
		}
		if op := b.expect("op"); op.num("seq") != 1 {
			t.Fatalf("op is %v", op)
		}
	}
}

// A trimmed position starts at the snapshot, or at the first operation kept. I2
func testJoinTrimmed(t *testing.T) {
	h := newHub(t, flow.Config{
		Log:    memx.NewLog(memx.LogConfig{OperationLimit: 8}),
		Limits: flow.Limits{OpsPerSecond: 10000},
	})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	var first, tenth msg
	for n := 1; n <= 40; n++ {
		a.op("r", n, n)
		op := a.expect("op")
		if n == 1 {
			first = op
		}
		if n == 38 {
			tenth = op
		}
	}
	j := b.join("r", msg{"position": "1:" + first.str("hash")})
	if j["resumed"] != false || j.str("reason") != "trimmed" || j["snapshot"] != nil {
		t.Fatalf("joined is %v", j)
	}
	b.expect("op")
	at := "38:" + tenth.str("hash")
	got := a.request(msg{"type": "snapshot", "room": "r", "position": at, "data": msg{"s": 1}})
	if got.str("type") != "ok" {
		t.Fatalf("snapshot answered %v", got)
	}
	j = b.join("r")
	snap, _ := j["snapshot"].(map[string]any)
	if j["resumed"] != false || j["reason"] != nil || j.str("position") != at || snap["position"] != at ||
		fmt.Sprint(snap["data"]) != "map[s:1]" {
		t.Fatalf("joined is %v", j)
	}
	if op := b.expect("op"); op.num("seq") != 39 {
		t.Fatalf("op is %v", op)
	}
}

// What is wrong with a join is told, and the connection lives on.
func testJoinRefusals(t *testing.T) {
	h := newHub(t, flow.Config{
		Limits: flow.Limits{Rooms: 2, Participants: 2, PresenceBytes: 20},
		Authorize: func(_ context.Context, _ flow.User, room string) (flow.Access, error) {
			if room == "secret" {
				return flow.None, nil
			}
			return flow.Editor, nil
		},
	})
	c := dial(t, h, "ann")
	for _, tc := range []struct {
		m    msg
		code string
	}{
		{msg{"room": "/"}, "invalid_room"},
		{msg{}, "invalid_room"},
		{msg{"room": "secret"}, "forbidden"},
		{msg{"room": "r", "position": "x"}, "invalid_message"},
		{msg{"room": "r", "resume": "forged.abc"}, "stale_session"},
		{msg{"room": "r", "presence": msg{"a": strings.Repeat("x", 20)}}, "too_large"},
	} {
		tc.m["type"] = "join"
		if got := c.request(tc.m); got.str("code") != tc.code || got.str("message") == "" {
			t.Errorf("%v answered %v", tc.m, got)
		}
	}
	c.join("r1")
	c.join("r2")
	if got := c.request(msg{"type": "join", "room": "r3"}); got.str("code") != "too_many_rooms" {
		t.Errorf("got %v", got)
	}
	dial(t, h, "bob").join("r1")
	if got := dial(t, h, "eve").request(msg{"type": "join", "room": "r1"}); got.str("code") != "room_full" {
		t.Errorf("got %v", got)
	}
}

// Joining again on the same socket restarts the stream in the same session, and delivers
// nothing twice in parallel. I2
func testJoinAgain(t *testing.T) {
	h := newHub(t, flow.Config{})
	c := dial(t, h, "ann")
	first := c.join("r")
	c.op("r", 1, 1)
	c.expect("op")
	again := c.join("r")
	if again.str("session") != first.str("session") || again["n"] != 1.0 {
		t.Fatalf("joined is %v", again)
	}
	c.expect("op")
	c.op("r", 2, 2)
	if op := c.expect("op"); op.num("seq") != 2 {
		t.Fatalf("op is %v", op)
	}
	if got := c.count("op"); got != 3 {
		t.Fatalf("%d ops came, want 3", got)
	}
}

func TestConn_Resume(t *testing.T) {
	t.Run("after a loss", testResumeAfterALoss)
	t.Run("stale", testResumeStale)
	t.Run("take over", testResumeTakeOver)
	t.Run("anonymous", testResumeAnonymous)
}

// A session goes on after its connection was lost: same session, same n, nothing missed. I4
func testResumeAfterALoss(t *testing.T) {
	h := newHub(t, flow.Config{Grace: time.Hour})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	j := a.join("r")
	b.join("r")
	a.op("r", 1, 1)
	at := a.expect("op")
	a.drop()
	b.op("r", 1, 1)
	b.expect("op")
	b.expect("op")
	a2 := dial(t, h, "ann")
	j2 := a2.join("r", msg{"resume": j.str("resume"), "position": "1:" + at.str("hash")})
	if j2.str("session") != j.str("session") || j2["resumed"] != true || j2["n"] != 1.0 {
		t.Fatalf("joined is %v", j2)
	}
	if op := a2.expect("op"); op.num("seq") != 2 {
		t.Fatalf("op is %v", op)
	}
	if strings.Contains(b.transcript(), `"leave"`) {
		t.Fatalf("a short loss showed: %s", b.transcript())
	}
}

// A token is good for its user and room only, and not after leave. I6
func testResumeStale(t *testing.T) {
	h := newHub(t, flow.Config{})
	a := dial(t, h, "ann")
	token := a.join("r").str("resume")
	for _, tc := range []struct{ user, room string }{{"eve", "r"}, {"ann", "q"}} {
		got := dial(t, h, tc.user).request(msg{"type": "join", "room": tc.room, "resume": token})
		if got.str("code") != "stale_session" {
			t.Errorf("%v got %v", tc, got)
		}
	}
	if got := a.request(msg{"type": "leave", "room": "r"}); got.str("type") != "ok" {
		t.Fatalf("leave answered %v", got)
	}
	if got := a.request(msg{"type": "join", "room": "r", "resume": token}); got.str("code") != "stale_session" {
		t.Errorf("after leave got %v", got)
	}
}

// A second socket takes a live session over; the first is told and closed. I5
func testResumeTakeOver(t *testing.T) {
	h := newHub(t, flow.Config{})
	a := dial(t, h, "ann")
	j := a.join("r")
	a2 := dial(t, h, "ann")
	if j2 := a2.join("r", msg{"resume": j.str("resume")}); j2.str("session") != j.str("session") {
		t.Fatalf("joined is %v", j2)
	}
	if left := a.expect("left"); left.str("reason") != "replaced" {
		t.Fatalf("left is %v", left)
	}
	if bye := a.expect("bye"); bye.str("code") != "replaced" || bye["reconnect"] != false {
		t.Fatalf("bye is %v", bye)
	}
	if code := a.closed(); code != 4105 {
		t.Fatalf("close code is %d", code)
	}
	all, err := h.Participants(t.Context(), "r", "", 10)
	if err != nil || len(all) != 1 {
		t.Fatalf("participants are %v, %v", all, err)
	}
}

// An anonymous user has another id on every socket, and is known by the token. I4
func testResumeAnonymous(t *testing.T) {
	h := newHub(t, flow.Config{Anonymous: true})
	a := dialAs(t, h, &flow.User{ID: "anonymous-1", Anonymous: true})
	j := a.join("r")
	a.drop()
	b := dialAs(t, h, &flow.User{ID: "anonymous-2", Anonymous: true})
	j2 := b.join("r", msg{"resume": j.str("resume")})
	if j2.str("session") != j.str("session") || !strings.Contains(fmt.Sprint(j2["participants"]), "anonymous-1") {
		t.Fatalf("joined is %v", j2)
	}
}

// A session whose socket is gone stays in the list for the grace, then leaves it as disconnected,
// and can still be resumed. I5, I7
func TestConn_Grace(t *testing.T) {
	left := func(m msg) bool { return m["leave"] != nil }
	synctest.Test(t, func(t *testing.T) {
		h, err := flow.New(memory(flow.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		a, b := dial(t, h, "ann"), dial(t, h, "bob")
		j := a.join("r")
		b.join("r")
		a.drop()
		advance(1900 * time.Millisecond)
		if _, shown := b.poll(left); shown {
			t.Errorf("the loss showed within the grace: %s", b.transcript())
		}
		advance(600 * time.Millisecond)
		p := b.find(left)
		gone := fmt.Sprint(p["leave"])
		if !strings.Contains(gone, "disconnected") || !strings.Contains(gone, j.str("session")) {
			t.Errorf("presence is %v", p)
		}
		advance(30 * time.Minute)
		a2 := dial(t, h, "ann")
		if j2 := a2.join("r", msg{"resume": j.str("resume")}); j2.str("session") != j.str("session") {
			t.Errorf("joined is %v", j2)
		}
		a2.drop()
		b.drop()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestConn_Leave(t *testing.T) {
	// A clean leave shows at once, and ops need a new join. I5
	h := newHub(t, flow.Config{})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	j := a.join("r")
	b.join("r")
	a.request(msg{"type": "leave", "room": "r"})
	p := b.find(func(m msg) bool { return m["leave"] != nil })
	gone := fmt.Sprint(p["leave"])
	if !strings.Contains(gone, "reason:left") || !strings.Contains(gone, j.str("session")) {
		t.Fatalf("presence is %v", p)
	}
	a.op("r", 1, 1)
	if got := a.expect("nack"); got.str("code") != "not_joined" {
		t.Fatalf("got %v", got)
	}
	if got := a.request(msg{"type": "leave", "room": "r"}); got.str("code") != "not_joined" {
		t.Fatalf("got %v", got)
	}
}

func TestHub_Watch(t *testing.T) {
	// A stream reads along, is no participant, and starts where it was. I2
	h := newHub(t, flow.Config{})
	a := dial(t, h, "ann")
	a.join("r")
	a.op("r", 1, 1)
	at := a.expect("op")
	a.op("r", 2, 2)
	a.expect("op")
	s := &client{t: t, pipe: newPipe()}
	conn, err := h.Watch(t.Context(), s.pipe, flow.Client{User: &flow.User{ID: "bob"}}, "r", "1:"+at.str("hash"))
	if err != nil {
		t.Fatal(err)
	}
	s.conn = conn
	t.Cleanup(s.drop)
	j := s.expect("joined")
	list, _ := j["participants"].([]any)
	if j["session"] != nil || j["resume"] != nil || j["resumed"] != true || len(list) != 1 {
		t.Fatalf("joined is %v", j)
	}
	if op := s.expect("op"); op.num("seq") != 2 {
		t.Fatalf("op is %v", op)
	}
	a.send(msg{"type": "presence", "room": "r", "data": msg{"x": 1}})
	s.expect("presence")

	for _, bad := range []string{"nonsense", "7:00000000000000aa"} {
		s2 := &client{t: t, pipe: newPipe()}
		bob := flow.Client{User: &flow.User{ID: "bob"}}
		if s2.conn, err = h.Watch(t.Context(), s2.pipe, bob, "r", bad); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s2.drop)
		if j := s2.expect("joined"); j["resumed"] != false || j.str("reason") != "diverged" {
			t.Fatalf("joined is %v", j)
		}
	}
}
