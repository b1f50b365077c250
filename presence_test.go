package flow_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fiberflow/flow"
)

func TestConn_Presence(t *testing.T) {
	t.Run("merges", testPresenceMerges)
	t.Run("refusals", func(t *testing.T) { synctest.Test(t, testPresenceRefusals) })
	t.Run("conflates", testPresenceConflates)
	t.Run("slow reader", testPresenceSlowReader)
}

// Keys replace keys, null removes one, and what happens within a window goes out as one frame.
func testPresenceMerges(t *testing.T) {
	h := newHub(t, flow.Config{})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	j := a.join("r", msg{"presence": msg{"a": 1, "b": 2}})
	b.join("r")
	a.find(func(m msg) bool { return strings.Contains(fmt.Sprint(m["join"]), "bob") }) // their window is over
	answer := a.request(msg{"type": "presence", "room": "r", "data": msg{"b": nil, "c": "x"}})
	if answer.str("type") != "ok" {
		t.Fatalf("presence answered %v", answer)
	}
	p := b.find(func(m msg) bool { return m["update"] != nil })
	if got := fmt.Sprint(p["update"]); got != fmt.Sprintf("map[%s:map[b:<nil> c:x]]", j.str("session")) {
		t.Fatalf("update is %v", got)
	}
	all, err := h.Participants(t.Context(), "r", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range all {
		if got.Session == j.str("session") && string(got.Presence) != `{"a":1,"c":"x"}` {
			t.Fatalf("presence is %s", got.Presence)
		}
	}
}

// What is wrong is told, also without an id, and changes nothing.
func testPresenceRefusals(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{PresenceBytes: 30, PresencePerSecond: 2}})
	c := dial(t, h, "ann")
	c.join("r")
	for _, tc := range []struct{ text, code string }{
		{`{"type":"presence","room":"r"}`, "invalid_message"},
		{`{"type":"presence","room":"r","data":[1]}`, "invalid_message"},
		{`{"type":"presence","room":"q","data":{}}`, "not_joined"},
		{`{"type":"presence","room":"r","data":{"a":"` + strings.Repeat("x", 30) + `"}}`, "too_large"},
	} {
		c.conn.Receive([]byte(tc.text))
		if got := c.expect("error"); got.str("code") != tc.code {
			t.Errorf("%s answered %v", tc.text, got)
		}
	}
	for range 4 {
		c.send(msg{"type": "presence", "room": "r", "data": msg{"a": 1}})
	}
	if got := c.expect("error"); got.str("code") != "rate_limited" || got.num("retryAfter") < 1 {
		t.Errorf("got %v", got)
	}
}

// A hundred moves of each of many people become few frames for everybody.
func testPresenceConflates(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{PresencePerSecond: 1000}})
	const people, moves = 10, 100
	clients := make([]*client, people)
	for i := range clients {
		clients[i] = dial(t, h, fmt.Sprint("u", i))
		clients[i].join("r")
	}
	for i := 1; i <= moves; i++ {
		for _, c := range clients {
			c.send(msg{"type": "presence", "room": "r", "data": msg{"x": i}})
		}
	}
	watcher := clients[0]
	last := map[string]string{}
	eventually(t, "everybody's last position is shown", func() bool {
		for {
			m, ok := watcher.poll(func(m msg) bool { return m.str("type") == "presence" })
			if !ok {
				break
			}
			apply(last, m)
		}
		for _, keys := range last {
			if keys != fmt.Sprintf("map[x:%d]", moves) {
				return false
			}
		}
		return len(last) == people
	})
	if got := watcher.count("presence"); got >= people*moves/2 {
		t.Fatalf("%d frames for %d moves", got, people*moves)
	}
}

// A member that did not read gets the whole list once it does, and not what it missed. I9
func testPresenceSlowReader(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{PresencePerSecond: 100000, PresenceBytes: 50000}})
	a, slow := dial(t, h, "ann"), dial(t, h, "slow")
	j := a.join("r")
	slow.join("r")
	a.expect("presence") // the joins; a change in their window would be part of them
	slow.pipe.mu.Lock()
	gate := make(chan struct{})
	slow.pipe.gate = gate
	slow.pipe.mu.Unlock()
	filler := strings.Repeat("x", 40000)
	for i := range 20 {
		a.send(msg{"type": "presence", "room": "r", "data": msg{"x": i, "f": filler}})
		a.find(func(m msg) bool { return strings.Contains(fmt.Sprint(m["update"]), fmt.Sprintf(" x:%d]", i)) })
	}
	close(gate)
	reset := slow.find(func(m msg) bool { return m["reset"] == true })
	if got := fmt.Sprint(reset["join"]); !strings.Contains(got, "x:19") || !strings.Contains(got, j.str("session")) {
		t.Fatalf("reset is %.200s", got)
	}
}

func TestHub_Participants(t *testing.T) {
	// Everybody keeps one colour, the list pages by session id, and two tabs are two sessions. I5
	h := newHub(t, flow.Config{})
	for range 5 {
		dial(t, h, "ann").join("r")
	}
	first, err := h.Participants(t.Context(), "r", "", 3)
	if err != nil || len(first) != 3 {
		t.Fatalf("got %v, %v", first, err)
	}
	rest, err := h.Participants(t.Context(), "r", first[2].Session, 3)
	if err != nil || len(rest) != 2 || rest[0].Session <= first[2].Session {
		t.Fatalf("got %v, %v", rest, err)
	}
	if first[0].Profile.Color != rest[1].Profile.Color || first[0].Profile.Name != "ann" {
		t.Fatalf("profiles are %v and %v", first[0].Profile, rest[1].Profile)
	}
}
