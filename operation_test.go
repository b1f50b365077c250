package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fiberflow/flow"
)

func TestConn_Op(t *testing.T) {
	t.Run("echo is the acknowledgement", testOpEcho)
	t.Run("refusals", testOpRefusals)
	t.Run("viewer", testOpViewer)
	t.Run("rate", func(t *testing.T) { synctest.Test(t, testOpRate) })
}

// An author sees its own operation come back with its place; so does everybody else. I1, I2
func testOpEcho(t *testing.T) {
	h := newHub(t, flow.Config{})
	ann, bob := dial(t, h, "ann"), dial(t, h, "bob")
	session := ann.join("r").str("session")
	bob.join("r")
	ann.conn.Receive([]byte(`{"type":"op","room":"r","n":1,"data": {"b" : 1.0, "a":[ ] }}`))
	for _, c := range []*client{ann, bob} {
		op := c.expect("op")
		if op.num("seq") != 1 || op.str("session") != session || op.num("n") != 1 || op.str("user") != "ann" {
			t.Fatalf("op is %v", op)
		}
		if !strings.Contains(c.transcript(), `"data":{"b":1.0,"a":[]}`) {
			t.Fatalf("data was changed: %s", c.transcript())
		}
	}
	hash := flow.Hash(0).Next(session, 1, flow.DigestOf([]byte(`{"b":1.0,"a":[]}`)))
	page, err := h.Operations(t.Context(), "r", flow.Query{Limit: 10})
	if err != nil || page.Head.Hash != hash {
		t.Fatalf("head is %v, %v; want hash %v", page.Head, err, hash)
	}
}

// What is refused names the reason and, where the contract has it, the last n taken.
func testOpRefusals(t *testing.T) {
	h := newHub(t, flow.Config{OnOperation: func(_ context.Context, op *flow.Proposal) error {
		switch string(op.Data) {
		case `"no"`:
			return flow.Errorf(flow.CodeForbidden, "not today")
		case `"secret"`:
			return errors.New("password of the database")
		}
		return nil
	}})
	c := dial(t, h, "ann")
	c.join("r")
	c.op("r", 1, 1)
	c.expect("op")
	for _, tc := range []struct {
		text, code, message string
		last                int64
	}{
		{`{"type":"op","room":"r","n":1,"data":1}`, "duplicate", "", 1},
		{`{"type":"op","room":"r","n":3,"data":1}`, "gap", "", 1},
		{`{"type":"op","room":"q","n":1,"data":1}`, "not_joined", "", 0},
		{`{"type":"op","room":"/","n":1,"data":1}`, "invalid_room", "", 0},
		{`{"type":"op","room":"r","n":2}`, "invalid_message", "data is missing", 0},
		{`{"type":"op","room":"r","n":2,"data":"no"}`, "rejected", "not today", 0},
		{`{"type":"op","room":"r","n":2,"data":"secret"}`, "rejected", "the application refused this operation", 0},
	} {
		c.conn.Receive([]byte(tc.text))
		got := c.expect("nack")
		if got.str("code") != tc.code || got.num("last") != tc.last ||
			!strings.Contains(got.str("message"), tc.message) {
			t.Errorf("%s answered %v", tc.text, got)
		}
	}
	c.conn.Receive([]byte(`{"type":"op","room":"r","n":2,"data":null,"id":7}`))
	if op := c.expect("op"); op.num("n") != 2 {
		t.Errorf("a refused op used its n, and an op's id counts: %v", op)
	}
}

// A viewer may not write.
func testOpViewer(t *testing.T) {
	h := newHub(t, flow.Config{Authorize: func(context.Context, flow.User, string) (flow.Access, error) {
		return flow.Viewer, nil
	}})
	c := dial(t, h, "ann")
	c.join("r")
	c.op("r", 1, 1)
	if got := c.expect("nack"); got.str("code") != "forbidden" {
		t.Fatalf("got %v", got)
	}
}

// Beyond the rate an op is nacked with a wait, and the author can go on from last + 1.
func testOpRate(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 1, Pending: 1}})
	c := dial(t, h, "ann")
	c.join("r")
	for n := 1; n <= 3; n++ { // one of credit, two of burst
		c.op("r", n, n)
		c.expect("op")
	}
	c.op("r", 4, 4)
	got := c.expect("nack")
	if got.str("code") != "rate_limited" || got.num("last") != 3 || got.num("retryAfter") < 1 {
		t.Fatalf("got %v", got)
	}
}

// Many writers on one hub: everybody sees one order without holes, with linked hashes, and each
// author's operations in its order. I1, I2, I3
func TestConn_OpManyWriters(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 10000}})
	const writers, each = 8, 50
	clients := make([]*client, writers)
	for i := range clients {
		clients[i] = dial(t, h, fmt.Sprint("u", i))
		clients[i].join("r")
	}
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			for n := 1; n <= each; n++ {
				c.op("r", n, n)
			}
		})
	}
	wg.Wait()
	for _, c := range clients {
		checkStream(t, c, writers*each)
	}
}

// checkStream reads count operations and checks that they are a log.
func checkStream(t *testing.T, c *client, count int) {
	t.Helper()
	var at flow.Position
	last := map[string]int64{}
	for range count {
		op := c.expect("op")
		data, err := json.Marshal(op["data"])
		if err != nil {
			t.Fatal(err)
		}
		at = at.Next(op.str("session"), uint64(op.num("n")), flow.DigestOf(data))
		if uint64(op.num("seq")) != at.Seq || op.str("hash") != at.Hash.String() {
			t.Fatalf("op %v does not follow; want %v", op, at)
		}
		if op.num("n") != last[op.str("session")]+1 {
			t.Fatalf("session %s jumped from %d to %d", op.str("session"), last[op.str("session")], op.num("n"))
		}
		last[op.str("session")] = op.num("n")
	}
}

// A member that reads slowly is fed from ring and log, loses nothing and stops nobody. I2, I9
func TestConn_SlowReader(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 100000}})
	fast, slow := dial(t, h, "fast"), dial(t, h, "slow")
	fast.join("r")
	slow.join("r")
	slow.pipe.mu.Lock()
	slow.pipe.gate = make(chan struct{})
	slow.pipe.mu.Unlock()
	const count = 2000
	data := strings.Repeat("x", 1000) // 2 MB in all, far over what may wait in a queue
	for n := 1; n <= count; n++ {
		fast.op("r", n, data)
		if n%200 == 0 { // the pending limit
			fast.find(func(m msg) bool { return m.num("seq") == int64(n) })
		}
	}
	slow.pipe.mu.Lock()
	close(slow.pipe.gate)
	slow.pipe.mu.Unlock()
	checkStream(t, slow, count)
}

func TestHub_Submit(t *testing.T) {
	h := newHub(t, flow.Config{})
	c := dial(t, h, "ann")
	c.join("r")
	bot := flow.User{ID: "bot"}

	// Operations of Go code reach members, and are answered with their places. I1
	t.Run("delivers", func(t *testing.T) {
		got, err := h.Submit(t.Context(), "r", bot, "", json.RawMessage(`{"a": 1}`), json.RawMessage(`2`))
		if err != nil || len(got.Operations) != 2 || got.Operations[1].Seq != 2 {
			t.Fatalf("got %+v, %v", got, err)
		}
		c.expect("op")
		if op := c.expect("op"); op.str("user") != "bot" || op.num("n") != 2 {
			t.Fatalf("op is %v", op)
		}
	})

	// A repeated key answers the first answer; with other data it is refused. I1
	t.Run("idempotent", func(t *testing.T) {
		first, err := h.Submit(t.Context(), "r", bot, "k", json.RawMessage(`1`))
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.Submit(t.Context(), "r", bot, "k", json.RawMessage(` 1 `))
		if err != nil || again.Position != first.Position {
			t.Fatalf("got %+v, %v; want %+v", again, err, first)
		}
		_, err = h.Submit(t.Context(), "r", bot, "k", json.RawMessage(`2`))
		if flow.ErrorCode(err) != flow.CodeRejected {
			t.Fatalf("other data got %v", err)
		}
		if _, err := h.Submit(t.Context(), "r", flow.User{ID: "other"}, "k", json.RawMessage(`2`)); err != nil {
			t.Fatalf("another user's key got %v", err)
		}
	})

	// The ids of anonymous users differ with every request; their keys hold all the same. I1
	t.Run("idempotent when anonymous", func(t *testing.T) {
		first, err := h.Submit(t.Context(), "r", flow.User{ID: "a1", Anonymous: true}, "k", json.RawMessage(`1`))
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.Submit(t.Context(), "r", flow.User{ID: "a2", Anonymous: true}, "k", json.RawMessage(`1`))
		if err != nil || again.Position != first.Position {
			t.Fatalf("got %+v, %v; want %+v", again, err, first)
		}
	})

	t.Run("refusals", testSubmitRefusals)
}

// What cannot be appended is refused whole.
func testSubmitRefusals(t *testing.T) {
	h := newHub(t, flow.Config{})
	dial(t, h, "ann").join("r")
	big := json.RawMessage(`"` + strings.Repeat("x", 70000) + `"`)
	for _, tc := range []struct {
		room string
		data []json.RawMessage
		code flow.Code
	}{
		{"/", []json.RawMessage{[]byte("1")}, flow.CodeInvalidRoom},
		{"r", nil, flow.CodeInvalidMessage},
		{"r", make([]json.RawMessage, 101), flow.CodeInvalidMessage},
		{"r", []json.RawMessage{[]byte("{")}, flow.CodeInvalidMessage},
		{"r", []json.RawMessage{big}, flow.CodeTooLarge},
	} {
		_, err := h.Submit(t.Context(), tc.room, flow.User{ID: "bot"}, "", tc.data...)
		if flow.ErrorCode(err) != tc.code {
			t.Errorf("%s with %d operations got %v, want %s", tc.room, len(tc.data), err, tc.code)
		}
	}
}
