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

// A session that comes back while others expire with it is not expired: its operations are answered. I5,
// I14
func TestConn_ReturnWhileOthersExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		var once sync.Once
		h, err := flow.New(memory(flow.Config{OnLeave: func(string, flow.Participant, flow.LeaveReason) {
			once.Do(func() { <-slow }) // the tick stands still between two that expire
		}}))
		if err != nil {
			t.Fatal(err)
		}
		tokens := map[string]string{}
		for i := range 5 {
			c := dial(t, h, fmt.Sprint("u", i))
			tokens[fmt.Sprint("u", i)] = c.join("r").str("resume")
			c.drop()
		}
		advance(2500 * time.Millisecond)
		var back []*client
		for user, token := range tokens {
			c := dial(t, h, user)
			c.join("r", msg{"resume": token})
			back = append(back, c)
		}
		close(slow)
		advance(time.Second)
		for _, c := range back {
			c.op("r", 1, 1)
			c.expect("op")
			c.drop()
		}
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A session that moved to another instance and left there is gone from every list. I5
func TestCluster_MovedAndLeft(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		a, b := dial(t, one, "ann"), dial(t, two, "bob")
		j := a.join("r")
		b.join("r")
		eventually(t, "two knows ann", func() bool {
			all, err := two.Participants(t.Context(), "r", "", 10)
			return err == nil && len(all) == 2
		})
		a.drop()
		a2 := dial(t, two, "ann")
		a2.join("r", msg{"resume": j.str("resume")})
		if got := a2.request(msg{"type": "leave", "room": "r"}); got.str("type") != "ok" {
			t.Fatalf("leave answered %v", got)
		}
		list := map[string]string{j.str("session"): "shown"}
		eventually(t, "bob's own list is right", func() bool {
			for {
				m, ok := b.poll(func(m msg) bool { return m.str("type") == "presence" })
				if !ok {
					return list[j.str("session")] == ""
				}
				apply(list, m)
			}
		})
		newcomer := dial(t, two, "cem").join("r")
		if strings.Contains(fmt.Sprint(newcomer["participants"]), j.str("session")) {
			t.Fatalf("a ghost is shown: %v", newcomer["participants"])
		}
	})
}

// A session that moves within a millisecond, or to an instance whose clock is behind, is let go by the first one
// although that has not heard of it: whoever has it later has it. I5
func TestCluster_MovedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &muteBus{Bus: memory(flow.Config{}).Bus}
		one, two := newHubs(t, flow.Config{Bus: bus, Secrets: func() [][]byte { return [][]byte{[]byte("shared")} }})
		bus.mute("two")
		a := dial(t, one, "ann")
		token := a.join("r").str("resume")
		b := dial(t, two, "ann")
		b.join("r", msg{"resume": token})
		advance(15 * time.Second)
		if a.count("left") != 1 || b.count("left") > 0 {
			t.Errorf("the first was told %s, the second %s", a.transcript(), b.transcript())
		}
	})
}

// An instance that was silent for too long is asked for its people when it is heard again. I5
func TestCluster_BuriedComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &muteBus{Bus: memory(flow.Config{}).Bus}
		one, two := newHubs(t, flow.Config{Bus: bus})
		a, b := dial(t, one, "ann"), dial(t, two, "bob")
		a.join("r")
		jb := b.join("r")
		advance(time.Second)
		bus.mute("two")
		advance(20 * time.Second)
		a.find(func(m msg) bool { return m["leave"] != nil })
		bus.mute("")
		advance(10 * time.Second)
		back := a.find(func(m msg) bool { return m["join"] != nil })
		if !strings.Contains(fmt.Sprint(back["join"]), jb.str("session")) {
			t.Errorf("presence is %v", back)
		}
	})
}

// A room that is full keeps the session of who wants to come back to it. I7
func TestConn_FullRoomKeepsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := flow.New(memory(flow.Config{Limits: flow.Limits{Participants: 1}}))
		if err != nil {
			t.Fatal(err)
		}
		a := dial(t, h, "ann")
		token := a.join("r").str("resume")
		a.drop()
		advance(3 * time.Second)
		b := dial(t, h, "bob")
		b.join("r")
		a = dial(t, h, "ann")
		if got := a.request(msg{"type": "join", "room": "r", "resume": token}); got.str("code") != "room_full" {
			t.Errorf("join answered %v", got)
		}
		b.request(msg{"type": "leave", "room": "r"})
		advance(time.Second)
		a.join("r", msg{"resume": token})
		a.drop()
		b.drop()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A position that was taken as good while the log was away is looked at when it is back. I2
func TestConn_GuessIsVerified(t *testing.T) {
	log := &awayLog{Log: memory(flow.Config{}).Log}
	h := newHub(t, flow.Config{Log: log})
	a := dial(t, h, "ann")
	a.join("r")
	for n := 1; n <= 4; n++ {
		a.op("r", n, n)
		a.expect("op")
	}
	log.set(true, false)
	b, c := dial(t, h, "bob"), dial(t, h, "cem")
	if j := b.join("r", msg{"position": "3:00000000000000aa"}); j["resumed"] != true {
		t.Fatalf("joined is %v", j)
	}
	c.join("r", msg{"position": "9:00000000000000aa"})
	log.set(false, false)
	for _, who := range []*client{b, c} {
		if r := who.expect("rewind"); r.str("position") != "0:0000000000000000" || r.str("reason") != "repair" {
			t.Fatalf("rewind is %v", r)
		}
		checkStream(t, who, 4)
	}
}

// Joining over and over gives no more operations than the limit does.
func TestConn_CreditIsBounded(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 1, Pending: 5}})
	c := dial(t, h, "ann")
	c.join("r")
	refused := false
	for n := 1; n <= 20 && !refused; n++ {
		c.join("r")
		c.op("r", n, n)
		got := c.find(func(m msg) bool { return m.num("n") == int64(n) && m.str("type") != "joined" })
		refused = got.str("code") == "rate_limited"
	}
	if !refused {
		t.Fatal("20 operations were taken at one a second")
	}
}

// A key that a new join leaves out of a session's presence is told as removed.
func TestConn_PresenceOfRejoin(t *testing.T) {
	h := newHub(t, flow.Config{})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	j := a.join("r", msg{"presence": msg{"x": 1, "y": 1}})
	b.join("r")
	a.join("r", msg{"presence": msg{"x": nil, "z": 2}})
	me := j.str("session")
	b.find(func(m msg) bool { // a change of its own, or together with the first frame about it
		updated := fmt.Sprint(m["update"]) == fmt.Sprintf("map[%s:map[x:<nil> z:2]]", me)
		shown := false
		all, _ := m["join"].([]any)
		for _, p := range all {
			about, _ := p.(map[string]any)
			shown = shown || about["session"] == me && fmt.Sprint(about["presence"]) == "map[y:1 z:2]"
		}
		return updated || shown
	})
}

// Who is behind by more than may wait for it is fed as it reads, and not closed. I9
func TestConn_LongWayBehind(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 100000, MessageBytes: 1 << 20}})
	a := dial(t, h, "ann")
	a.join("r")
	data := strings.Repeat("x", 60_000)
	const count = 200 // 12 MB
	for n := 1; n <= count; n++ {
		a.op("r", n, data)
		a.find(func(m msg) bool { return m.num("seq") == int64(n) })
	}
	b := dial(t, h, "bob")
	b.join("r")
	checkStream(t, b, count)
	if n := b.count("bye"); n > 0 {
		t.Fatal("the client was closed")
	}
}

// A log that lost everything is written again before a request from Go or REST goes into it. I1
func TestHub_SubmitIntoLostLog(t *testing.T) {
	log := &swapLog{Log: memory(flow.Config{}).Log}
	h := newHub(t, flow.Config{Log: log})
	a := dial(t, h, "ann")
	a.join("r")
	for n := 1; n <= 5; n++ {
		a.op("r", n, n)
		a.expect("op")
	}
	log.swap(memory(flow.Config{}).Log)
	if _, err := h.Submit(t.Context(), "r", flow.User{ID: "bot"}, "", []byte("6")); err != nil {
		t.Fatal(err)
	}
	if op := a.find(func(m msg) bool { return m.str("type") == "op" && m["data"] == 6.0 }); op.num("seq") != 6 {
		t.Fatalf("op is %v", op)
	}
}

// Ending a user ends the sessions too that wait to be resumed.
func TestHub_KickUserWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := flow.New(memory(flow.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		a := dial(t, h, "ann")
		token := a.join("r").str("resume")
		a.drop()
		advance(5 * time.Second)
		if err := h.KickUser(t.Context(), "ann"); err != nil {
			t.Error(err)
		}
		b := dial(t, h, "ann")
		if got := b.request(msg{"type": "join", "room": "r", "resume": token}); got.str("code") != "stale_session" {
			t.Errorf("join answered %v", got)
		}
		b.drop()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
