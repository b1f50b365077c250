package flow_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// verify takes tokens that name their user, and knows one that has expired.
func verify(_ context.Context, token string) (flow.User, error) {
	switch {
	case token == "old":
		return flow.User{ID: "ann", Expires: time.Now().Add(-time.Minute)}, nil
	case strings.HasPrefix(token, "user:"):
		return flow.User{ID: token[5:], Expires: time.Now().Add(time.Hour)}, nil
	default:
		return flow.User{}, flow.Errorf(flow.CodeUnauthenticated, "no good")
	}
}

func TestConn_Auth(t *testing.T) {
	t.Run("first message", testAuthFirstMessage)
	t.Run("reauthorizes", testAuthReauthorizes)
	t.Run("time is up", func(t *testing.T) { synctest.Test(t, testAuthTimeIsUp) })
}

// Until auth, only auth and ping are answered; then the socket is its user's.
func testAuthFirstMessage(t *testing.T) {
	h := newHub(t, flow.Config{VerifyToken: verify})
	c := dialAs(t, h, nil)
	for _, m := range []msg{{"type": "join", "room": "r"}, {"type": "what"}, {"type": "op", "room": "r", "n": 1}} {
		c.send(m)
		if got := c.expect("error"); got.str("code") != "unauthenticated" {
			t.Errorf("%v answered %v", m, got)
		}
	}
	if got := c.request(msg{"type": "ping"}); got.str("type") != "pong" {
		t.Errorf("ping answered %v", got)
	}
	if got := c.request(msg{"type": "auth", "token": "bad"}); got.str("code") != "unauthenticated" {
		t.Errorf("got %v", got)
	}
	if got := c.request(msg{"type": "auth", "token": "old"}); got.str("code") != "token_expired" {
		t.Errorf("got %v", got)
	}
	got := c.request(msg{"type": "auth", "token": "user:ann"})
	if got.str("user") != "ann" || got.num("expires") == 0 {
		t.Fatalf("got %v", got)
	}
	c.join("r")
	if got := c.request(msg{"type": "auth", "token": "user:eve"}); got.str("code") != "forbidden" {
		t.Errorf("another user got %v", got)
	}
}

// Renewing asks Authorize again; a right that is gone ends the membership.
func testAuthReauthorizes(t *testing.T) {
	var mu sync.Mutex
	access := flow.Editor
	authorize := func(context.Context, flow.User, string) (flow.Access, error) {
		mu.Lock()
		defer mu.Unlock()
		return access, nil
	}
	h := newHub(t, flow.Config{VerifyToken: verify, Authorize: authorize})
	c := dialAs(t, h, nil)
	c.request(msg{"type": "auth", "token": "user:ann"})
	c.join("r")
	mu.Lock()
	access = flow.None
	mu.Unlock()
	c.request(msg{"type": "auth", "token": "user:ann"})
	if left := c.expect("left"); left.str("reason") != "forbidden" {
		t.Fatalf("left is %v", left)
	}
	if got := c.request(msg{"type": "ping"}); got.str("type") != "pong" {
		t.Fatalf("the socket did not live on: %v", got)
	}
}

// Who does not say who he is, or whose token ends, is told and closed.
func testAuthTimeIsUp(t *testing.T) {
	h, err := flow.New(memory(flow.Config{VerifyToken: verify}))
	if err != nil {
		t.Fatal(err)
	}
	silent := dialAs(t, h, nil)
	ann := dialAs(t, h, &flow.User{ID: "ann", Expires: time.Now().Add(time.Minute)})
	advance(11 * time.Second)
	if bye := silent.expect("bye"); bye.str("code") != "unauthenticated" || bye["reconnect"] != false {
		t.Errorf("bye is %v", bye)
	}
	if code := silent.closed(); code != 4100 {
		t.Errorf("close code is %d", code)
	}
	advance(55 * time.Second)
	if bye := ann.expect("bye"); bye.str("code") != "token_expired" || bye["reconnect"] != 0.0 {
		t.Errorf("bye is %v", bye)
	}
	if code := ann.closed(); code != 4101 {
		t.Errorf("close code is %d", code)
	}
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestConn_Receive(t *testing.T) {
	// What is not a message is told, and the connection lives on.
	t.Run("not a message", func(t *testing.T) {
		h := newHub(t, flow.Config{})
		c := dial(t, h, "ann")
		for text, code := range map[string]string{
			`{`: "invalid_message", `1`: "invalid_message", `"x"`: "invalid_message", `{}`: "invalid_message",
			`{"type":1}`: "invalid_message", `{"type":"ping","type":"ping"}`: "invalid_message",
			`{"type":"ping","id":1}`: "invalid_message", `{"type":"nonsense"}`: "unknown_type",
			`[[]]`: "invalid_message", `[1]`: "invalid_message", `{"type":"join","room":"r"}`: "invalid_message",
			`{"type":"op","room":"r","n":0,"data":1}`: "invalid_message",
		} {
			c.conn.Receive([]byte(text))
			if got := c.expect("error"); got.str("code") != code {
				t.Errorf("%s answered %v", text, got)
			}
		}
		c.conn.Receive([]byte(`[]`))
		c.conn.Receive([]byte(` [ {"type":"ping","id":"1"} , {"type":"what","id":"2"}, {"type":"ping","id":"3"} ] `))
		for _, want := range []string{"1", "2", "3"} {
			if got := c.find(func(m msg) bool { return m["id"] != nil }); got.str("id") != want {
				t.Errorf("got %v, want the answer to %s", got, want)
			}
		}
	})

	// A flood is limited, and one that does not stop ends the socket.
	t.Run("flood", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h, err := flow.New(memory(flow.Config{}))
			if err != nil {
				t.Fatal(err)
			}
			c := dial(t, h, "ann")
			for range 12 * 20 { // twelve seconds
				for range 20 {
					c.conn.Receive([]byte(`{"type":"ping"}`))
				}
				advance(50 * time.Millisecond)
			}
			if got := c.expect("error"); got.str("code") != "rate_limited" || got.num("retryAfter") < 1 {
				t.Errorf("got %v", got)
			}
			if bye := c.expect("bye"); bye.str("code") != "rate_limited" || bye.num("reconnect") < 1 {
				t.Errorf("bye is %v", bye)
			}
			if code := c.closed(); code != 4106 {
				t.Errorf("close code is %d", code)
			}
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestConn_Snapshot(t *testing.T) {
	h := newHub(t, flow.Config{})
	c := dial(t, h, "ann")
	c.join("r")
	c.op("r", 1, 1)
	op := c.expect("op")
	at := "1:" + op.str("hash")
	for _, tc := range []struct {
		m    msg
		code string
	}{
		{msg{"position": "x", "data": 1}, "invalid_message"},
		{msg{"position": at}, "invalid_message"},
		{msg{"position": "1:00000000000000aa", "data": 1}, "diverged"},
		{msg{"position": at, "data": msg{"s": 1}}, ""},
	} {
		tc.m["type"], tc.m["room"] = "snapshot", "r"
		if got := c.request(tc.m); got.str("code") != tc.code {
			t.Errorf("%v answered %v", tc.m, got)
		}
	}
	s, err := h.Snapshot(t.Context(), "r")
	if err != nil || s.Position.String() != at || string(s.Data) != `{"s":1}` {
		t.Fatalf("snapshot is %v, %v", s, err)
	}
}

func TestHub_Close(t *testing.T) {
	t.Run("says bye", func(t *testing.T) { synctest.Test(t, testCloseSaysBye) })

	// Sessions outlive their instance: another one resumes them from the store. I7
	t.Run("keeps sessions", func(t *testing.T) {
		cfg := memory(flow.Config{Secrets: func() [][]byte { return [][]byte{[]byte("s")} }})
		one, err := flow.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		a := dial(t, one, "ann")
		j := a.join("r")
		a.op("r", 1, 1)
		a.expect("op")
		var closing sync.WaitGroup
		closing.Go(func() { _ = one.Close(context.Background()) })
		a.closed()
		closing.Wait()
		two := newHub(t, cfg)
		b := dial(t, two, "ann")
		j2 := b.join("r", msg{"resume": j.str("resume")})
		if j2.str("session") != j.str("session") || j2["n"] != 1.0 {
			t.Fatalf("joined is %v", j2)
		}
	})
}

// Every client gets bye with a delay, in bounded time also when it does not read. I10
func testCloseSaysBye(t *testing.T) {
	h, err := flow.New(memory(flow.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	clients := make([]*client, 50)
	for i := range clients {
		clients[i] = dial(t, h, fmt.Sprint("u", i))
		clients[i].join("r")
		if i%2 == 1 {
			clients[i].pipe.mu.Lock()
			clients[i].pipe.gate = make(chan struct{})
			clients[i].pipe.mu.Unlock()
		}
	}
	var closing sync.WaitGroup
	for range 2 {
		closing.Go(func() {
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	for i, c := range clients {
		if code := c.closed(); code != 1012 {
			t.Errorf("close code is %d", code)
		}
		if i%2 == 0 {
			if bye := c.expect("bye"); bye.str("code") != "shutdown" || bye["reconnect"] == nil {
				t.Errorf("bye is %v", bye)
			}
		}
	}
	closing.Wait()
	if _, err := h.Connect(newPipe(), flow.Client{}); flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Errorf("a late client got %v", err)
	}
}

// Rooms that nobody uses leave memory. I9
func TestHub_IdleRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := flow.New(memory(flow.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, h, "ann")
		for i := range 20 {
			c.join(fmt.Sprint("r", i))
		}
		if got := h.Stats().Rooms; got != 20 {
			t.Errorf("%d rooms are open", got)
		}
		c.drop()
		advance(time.Minute)
		if got := h.Stats(); got.Rooms != 0 || got.Sessions != 0 || got.Connections != 0 {
			t.Errorf("left over: %+v", got)
		}
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// Hooks see who came and who went, and their order.
func TestHub_Hooks(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, s)
	}
	h := newHub(t, flow.Config{
		OnJoin: func(room string, p flow.Participant) { note("join " + room + " " + p.User) },
		OnLeave: func(room string, p flow.Participant, why flow.LeaveReason) {
			note(fmt.Sprint("leave ", room, " ", p.User, " ", why))
		},
	})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	jb := b.join("r")
	a.request(msg{"type": "leave", "room": "r"})
	if err := h.Kick(t.Context(), "r", jb.str("session")); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(seen, ", "); got != "join r ann, join r bob, leave r ann left, leave r bob kicked" {
		t.Fatalf("hooks saw %s", got)
	}
}
