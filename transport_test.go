package flow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// The list of reasons is complete: what the source declares, and nothing twice.
func TestByes(t *testing.T) { wantSameSet(t, flow.Byes(), declared(t, "Bye")) }

// Each reason has its close code, and says whether to come back (protocol section 1.5).
func TestBye_CloseCode(t *testing.T) {
	table := []struct {
		code      int
		why       flow.Bye
		reconnect bool
	}{
		{1012, "shutdown", true},
		{1009, "too_large", true},
		{4001, "slow", true},
		{4002, "timeout", true},
		{4003, "overloaded", true},
		{4100, "unauthenticated", false},
		{4101, "token_expired", true},
		{4102, "kicked", false},
		{4103, "forbidden", false},
		{4104, "protocol", false},
		{4105, "replaced", false},
		{4106, "rate_limited", true},
	}
	order := make([]flow.Bye, len(table))
	codes := map[int]bool{}
	for i, row := range table {
		order[i] = row.why
		codes[row.code] = true
		if row.why.CloseCode() != row.code || row.why.Reconnect() != row.reconnect {
			t.Errorf("%s is %d, reconnect %v", row.why, row.why.CloseCode(), row.why.Reconnect())
		}
	}
	if !slices.Equal(flow.Byes(), order) || len(codes) != len(table) {
		t.Errorf("reasons are %q, %d codes", flow.Byes(), len(codes))
	}
	if got := flow.Bye("nonsense").CloseCode(); got != 1011 {
		t.Errorf("an unknown reason is %d", got)
	}
}

// Every connection gets the same frame of a broadcast: it was encoded once. I9
func TestFrame_Shared(t *testing.T) {
	h := newHub(t, flow.Config{})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	b.join("r")
	a.op("r", 1, 1)
	a.send(msg{"type": "event", "room": "r", "name": "x", "echo": true})
	got := map[string][]*flow.Frame{}
	for _, c := range []*client{a, b} {
		eventually(t, "op and event came", func() bool { return c.count("op")+c.count("event") == 2 })
		c.pipe.mu.Lock()
		for _, f := range c.pipe.frames {
			got[f.Type] = append(got[f.Type], f)
		}
		c.pipe.mu.Unlock()
	}
	for _, kind := range []string{"op", "event"} {
		if f := got[kind]; len(f) != 2 || f[0] != f[1] {
			t.Errorf("%s came as %v", kind, f)
		}
	}
}

// Nothing that is not UTF-8 reaches a room, not even from Go code: one such text in a log or a snapshot
// would end the connection of every browser that joins, for good. I6
func TestFrame_UTF8(t *testing.T) {
	h := newHub(t, flow.Config{})
	c := dial(t, h, "ann")
	c.join("r")
	bad := json.RawMessage("\"caf\xe9\"")
	_, submitted := h.Submit(t.Context(), "r", flow.User{ID: "bot"}, "", bad)
	for what, err := range map[string]error{
		"submit": submitted, "publish": h.Publish(t.Context(), "r", flow.Event{Name: "x", Data: bad}),
		"publish to a user": h.PublishUser(t.Context(), "ann", flow.Event{Name: "x", Data: bad}),
		"snapshot":          h.SaveSnapshot(t.Context(), "r", flow.Snapshot{Data: bad}),
	} {
		if flow.ErrorCode(err) != flow.CodeInvalidMessage {
			t.Errorf("%s got %v", what, err)
		}
	}
	c.conn.Receive([]byte("{\"type\":\"op\",\"room\":\"r\",\"n\":1,\"data\":\"caf\xe9\"}"))
	if got := c.expect("error"); got.str("code") != "invalid_message" {
		t.Errorf("op got %v", got)
	}
}

// contract is what protocol section 1.2 gives each message: its fields, optional ones with a mark.
func contract() map[string]string {
	return map[string]string{
		"welcome": "protocol connection instance user expires? state limits heartbeat",
		"joined": "id room session? resume? access resumed reason? n? position head snapshot? participants" +
			" state durability",
		"op":       "room seq hash session n user time data",
		"nack":     "room n code last? retryAfter? message",
		"left":     "room reason",
		"presence": "room reset? join? update? leave?",
		"event":    "room? name data session? user?",
		"ok":       "id? room? user? expires?",
		"error":    "id? room? code message retryAfter?",
		"bye":      "code reconnect",
		"pong":     "id?",
	}
}

// checkFields fails unless an object has all the fields that it must have and no other.
func checkFields(t *testing.T, what, spec string, got map[string]any) {
	t.Helper()
	rest := maps.Clone(got)
	for field := range strings.FieldsSeq(spec) {
		name, optional := strings.CutSuffix(field, "?")
		if _, found := got[name]; !found && !optional {
			t.Errorf("%s has no %s: %v", what, name, got)
		}
		delete(rest, name)
	}
	if len(rest) > 0 {
		t.Errorf("%s has more than the contract: %v", what, rest)
	}
}

// Everything that a client is ever sent has the fields of the contract and no other, and strange names
// come through whole, whoever brought them.
func TestFrame_Fields(t *testing.T) {
	const strange = "\"\\\x01\u2028</é😀"
	h := newHub(t, flow.Config{
		Instance: "one\"\u2028", Limits: flow.Limits{Rooms: 2},
		VerifyToken: func(context.Context, string) (flow.User, error) { return flow.User{ID: strange}, nil },
	})
	ann := dialAs(t, h, &flow.User{ID: strange, Name: strange, Picture: strange})
	bob := dial(t, h, "bob")
	joined := bob.join("r", msg{"presence": msg{strange: strange}})
	if got := ann.join("r"); len(got["participants"].([]any)) != 2 {
		t.Fatalf("joined is %v", got)
	}
	ann.op("r", 1, msg{strange: strange})
	op := bob.expect("op")
	if data, ok := op["data"].(map[string]any); !ok || data[strange] != strange || op["user"] != strange {
		t.Errorf("op is %v", op)
	}
	ann.op("r", 9, 1)
	ann.expect("nack")
	ann.op("r", 1, 1)
	ann.expect("nack")
	for _, m := range []msg{
		{"type": "presence", "room": "r", "data": msg{strange: strange}},
		{"type": "event", "room": "r", "name": strange, "data": strange},
		{"type": "snapshot", "room": "r", "position": fmt.Sprintf("1:%s", op.str("hash")), "data": 1},
		{"type": "ping"}, {"type": "auth", "token": "x"}, {"type": strange}, {"type": "join", "room": strange},
		{"type": "join", "room": "q"}, {"type": "leave", "room": "q"},
	} {
		ann.request(m)
	}
	if e := bob.expect("event"); e["name"] != strange || e["data"] != strange || e["user"] != strange {
		t.Errorf("event is %v", e)
	}
	ann.join("r") // with a snapshot
	if err := h.Kick(t.Context(), "r", joined.str("session")); err != nil {
		t.Fatal(err)
	}
	bob.closed()
	ann.find(func(m msg) bool { return m["leave"] != nil })
	checkTranscripts(t, ann, bob)
}

// checkTranscripts holds all that came to the contract, and demands that every type came.
func checkTranscripts(t *testing.T, clients ...*client) {
	t.Helper()
	spec, came := contract(), map[string]bool{}
	for _, c := range clients {
		c.pipe.mu.Lock()
		frames := slices.Clone(c.pipe.frames)
		c.pipe.mu.Unlock()
		for _, f := range frames {
			var got map[string]any
			if err := json.Unmarshal(f.JSON, &got); err != nil || got["type"] != f.Type {
				t.Fatalf("%s: %v", f.JSON, err)
			}
			checkFields(t, f.Type, "type "+spec[f.Type], got)
			came[f.Type] = true
			for _, list := range []any{got["participants"], got["join"]} {
				all, _ := list.([]any)
				for _, p := range all {
					checkFields(t, "participant", "session user profile presence joined", p.(map[string]any))
				}
			}
		}
	}
	for kind := range spec {
		if !came[kind] {
			t.Errorf("no %s came", kind)
		}
	}
}
