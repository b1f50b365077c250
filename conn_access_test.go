package flow_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// messageRule is what a type of message asks for.
type messageRule struct {
	message msg
	open    string // members who may send it: their access; "" for everybody, also without a room
	answer  string // the type of the answer then
	early   bool   // before auth, too
}

// The members who have at least an access.
const (
	anEditor = "editor owner admin"
	aViewer  = "viewer " + anEditor
)

// messageRules has a rule for every type of message of a client, by itself: it knows nothing of the table that
// serves them.
func messageRules() map[string]messageRule {
	empty := "0:0000000000000000"
	return map[string]messageRule{
		"auth":     {message: msg{}, answer: "ok", early: true},
		"join":     {message: msg{}, open: aViewer, answer: "joined"},
		"leave":    {message: msg{}, open: aViewer, answer: "ok"},
		"op":       {message: msg{"n": 1, "data": 1}, open: anEditor, answer: "op"},
		"presence": {message: msg{"data": msg{"k": 1}}, open: aViewer, answer: "ok"},
		"event":    {message: msg{"name": "e"}, open: anEditor, answer: "ok"},
		"snapshot": {message: msg{"position": empty, "data": 1}, open: anEditor, answer: "ok"},
		"lock":     {message: msg{"name": "l"}, open: anEditor, answer: "ok"},
		"unlock":   {message: msg{"name": "l"}, open: aViewer, answer: "ok"},
		"ping":     {message: msg{}, answer: "pong", early: true},
	}
}

// byName gives access by the user's name, and none to those of another tenant, who own rooms of their own.
func byName(_ context.Context, user flow.User, room string) (flow.Access, error) {
	if user.ID == "tenant" && strings.HasPrefix(room, "theirs") {
		return flow.Owner, nil
	}
	if user.Anonymous {
		return flow.Viewer, nil
	}
	access, _ := flow.ParseAccess(user.ID)
	return access, nil
}

// ask sends a message of a type about a room, and returns the answer.
func (c *client) ask(kind, room string, rule messageRule) msg {
	c.t.Helper()
	m := maps.Clone(rule.message)
	m["type"] = kind
	if kind != "ping" && kind != "auth" {
		m["room"] = room
	}
	if kind == "auth" {
		m["token"] = "user:" + cmp.Or(c.user, "somebody")
	}
	if kind != "op" {
		return c.request(m)
	}
	c.send(m) // what an op is answered with has no id
	return c.find(func(got msg) bool { return slices.Contains([]string{"op", "nack", "error"}, got.str("type")) })
}

// Every type of message is for those whom the table names, and there is no type without a line in it: not before
// auth, not without having joined, and then by the access to the room.
func TestConn_Access(t *testing.T) {
	rules := messageRules()
	for _, kind := range flow.RequestTypes() {
		rule, found := rules[kind]
		if !found {
			t.Errorf("messages %s have no rule: who may send them?", kind)
			continue
		}
		delete(rules, kind)
		t.Run(kind, func(t *testing.T) {
			for who := range strings.FieldsSeq("stranger anonymous tenant none " + aViewer) {
				wantMessageRule(t, kind, rule, who)
			}
		})
	}
	if len(rules) > 0 {
		t.Errorf("rules for types that there are not: %v", rules)
	}
}

// accessHub is a hub with rooms that have something in them.
func accessHub(t *testing.T) *flow.Hub {
	t.Helper()
	h := newHub(t, flow.Config{VerifyToken: verify, Authorize: byName})
	owner := dial(t, h, "owner")
	for _, room := range []string{"full-room", "gone-room"} {
		owner.join(room)
		owner.op(room, 1, "secret data")
		owner.expect("op")
	}
	if err := h.DeleteRoom(t.Context(), "gone-room"); err != nil {
		t.Fatal(err)
	}
	return h
}

// dialFor connects somebody of the table.
func dialFor(t *testing.T, h *flow.Hub, who string) *client {
	t.Helper()
	switch who {
	case "stranger":
		return dialAs(t, h, nil)
	case "anonymous":
		return dialAs(t, h, &flow.User{ID: "anonymous-1", Anonymous: true})
	case "admin":
		return dialAs(t, h, &flow.User{ID: who, Admin: true})
	default:
		return dial(t, h, who)
	}
}

// wantMessageRule checks the answers to a message of a type without having joined, and with.
func wantMessageRule(t *testing.T, kind string, rule messageRule, who string) {
	t.Helper()
	h := accessHub(t)
	c := dialFor(t, h, who)
	access := who
	if who == "anonymous" {
		access = "viewer"
	}
	may := rule.open == "" || slices.Contains(strings.Fields(rule.open), access)
	got := c.ask(kind, "full-room", rule)
	switch {
	case who == "stranger" && !rule.early:
		c.wantRefusal(got, kind, flow.CodeUnauthenticated)
		return
	case who == "anonymous" && kind == "auth":
		c.wantRefusal(got, kind, flow.CodeForbidden)
		return
	case rule.open == "", kind == "join" && may:
		c.wantAnswer(got, kind, rule.answer)
		return
	case kind == "join":
		c.wantRefusal(got, kind, flow.CodeForbidden)
	default:
		c.wantRefusal(got, kind, flow.CodeNotJoined)
	}
	c.wantHidden(kind, rule)
	if !slices.Contains(strings.Fields(aViewer), access) {
		return
	}
	fresh := dialFor(t, h, who)
	fresh.join("room")
	got = fresh.ask(kind, "room", rule)
	if may {
		fresh.wantAnswer(got, kind, rule.answer)
		return
	}
	fresh.wantRefusal(got, kind, flow.CodeForbidden)
}

func (c *client) wantAnswer(got msg, kind, want string) {
	c.t.Helper()
	if got.str("type") != want {
		c.t.Errorf("%s of %s is answered with %v, want %s", kind, c.user, got, want)
	}
}

// wantRefusal checks that an answer is a refusal and says nothing of the room.
func (c *client) wantRefusal(got msg, kind string, code flow.Code) {
	c.t.Helper()
	refused := got.str("type") == "error" || got.str("type") == "nack"
	if !refused || got.str("code") != string(code) || strings.Contains(fmt.Sprint(got), "secret") ||
		strings.Contains(got.str("message"), "room-") {
		c.t.Errorf("%s of %s is answered with %v, want %s", kind, c.user, got, code)
	}
}

// wantHidden checks that a room which the client may not see, or has not joined, answers as one that does not
// exist, and as one that was deleted.
func (c *client) wantHidden(kind string, rule messageRule) {
	c.t.Helper()
	answer := func(room string) string {
		got := c.ask(kind, room, rule)
		delete(got, "id")
		return strings.ReplaceAll(fmt.Sprint(got), room, "<room>")
	}
	missing := answer("none-room")
	for _, room := range []string{"full-room", "gone-room"} {
		if got := answer(room); got != missing {
			c.t.Errorf("%s of %s: %s answers %s, a missing room %s", kind, c.user, room, got, missing)
		}
	}
}
