package flow_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

func TestConn_Event(t *testing.T) {
	h := newHub(t, flow.Config{})
	a, b, b2, out := dial(t, h, "ann"), dial(t, h, "bob"), dial(t, h, "bob"), dial(t, h, "bob")
	ja := a.join("r")
	jb := b.join("r")
	b2.join("r")
	out.join("other")
	mark := 0
	// fence makes sure that what was sent before has arrived, and returns the events that did.
	fence := func(c *client) (names []string) {
		mark++
		last := fmt.Sprint("mark", mark)
		a.send(msg{"type": "event", "room": "r", "name": last, "echo": true})
		for {
			e := c.expect("event")
			if e.str("name") == last {
				return names
			}
			if e.str("name") != "" && !strings.HasPrefix(e.str("name"), "mark") {
				names = append(names, e.str("name"))
			}
		}
	}
	for _, tc := range []struct {
		name     string
		m        msg
		a, b, b2 bool
	}{
		// An event goes to everybody else in the room.
		{"all", msg{}, false, true, true},
		// With echo also to its sender.
		{"echo", msg{"echo": true}, true, true, true},
		// To one session, or to all of a user's in this room.
		{"session", msg{"to": msg{"session": jb.str("session")}}, false, true, false},
		{"user", msg{"to": msg{"user": "bob"}}, false, true, true},
		{"self", msg{"to": msg{"session": ja.str("session")}}, true, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.m["type"], tc.m["room"], tc.m["name"], tc.m["data"] = "event", "r", tc.name, msg{"k": 1}
			a.send(tc.m)
			for who, c := range map[*client]bool{a: tc.a, b: tc.b, b2: tc.b2} {
				if got := fence(who); (len(got) == 1) != c {
					t.Errorf("got %v, want it: %v", got, c)
				}
			}
		})
	}
	// No byte of a room reaches a socket that has not joined it. I6
	if n := out.count("event"); n != 0 {
		t.Fatalf("another room heard %d events", n)
	}

	// What is wrong with an event is told.
	t.Run("refusals", func(t *testing.T) {
		for _, m := range []msg{
			{"room": "r"},
			{"room": "r", "name": strings.Repeat("x", 129)},
			{"room": "r", "name": "x", "to": msg{}},
			{"room": "r", "name": "x", "to": msg{"session": "a", "user": "b"}},
		} {
			m["type"] = "event"
			if got := a.request(m); got.str("code") != "invalid_message" {
				t.Errorf("%v answered %v", m, got)
			}
		}
	})
}

func TestHub_PublishUser(t *testing.T) {
	// A message to a person reaches every socket of theirs, in any room or none, and nobody else; a stream is told
	// of its room only. I6
	h := newHub(t, flow.Config{})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	stream := watch(t, h, &flow.User{ID: "bob"}, "r")
	if err := h.PublishUser(t.Context(), "bob", flow.Event{Name: "hello", Data: []byte(` [ 1 ] `)}); err != nil {
		t.Fatal(err)
	}
	e := b.expect("event")
	if e["room"] != nil || e["session"] != nil || e.str("name") != "hello" || fmt.Sprint(e["data"]) != "[1]" {
		t.Fatalf("event is %v", e)
	}
	if n := a.count("event"); n != 0 {
		t.Fatal("somebody else heard it")
	}
	if err := h.Publish(t.Context(), "r", flow.Event{Name: "news"}); err != nil {
		t.Fatal(err)
	}
	if e := stream.expect("event"); e.str("name") != "news" {
		t.Fatalf("the stream got %v", e)
	}
	for _, bad := range []flow.Event{{}, {Name: "x", Data: []byte("{")}, {Name: "x", To: &flow.Target{User: "a"}}} {
		if err := h.PublishUser(t.Context(), "bob", bad); flow.ErrorCode(err) != flow.CodeInvalidMessage {
			t.Errorf("%+v got %v", bad, err)
		}
	}
}

func TestHub_Publish(t *testing.T) {
	// An event of the server has no session.
	h := newHub(t, flow.Config{})
	a := dial(t, h, "ann")
	a.join("r")
	if err := h.Publish(context.Background(), "r", flow.Event{Name: "news"}); err != nil {
		t.Fatal(err)
	}
	if e := a.expect("event"); e.str("room") != "r" || e["session"] != nil || e["user"] != nil || e["data"] != nil {
		t.Fatalf("event is %v", e)
	}
}
