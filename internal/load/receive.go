package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// sentKey stands before the moment when something was sent, in what clients say and see.
const sentKey = `"sent":`

// read takes in what the server sends, until the connection ends.
func (c *client) read() {
	defer close(c.ended)
	for {
		kind, payload, err := c.in.next()
		switch {
		case err != nil:
			if !c.leaving.Load() {
				c.crowd.fault("connection lost: %v", err)
			}
			return
		case kind == textFrame:
			c.crowd.frames.Add(1)
			c.take(payload)
		case kind == pingFrame:
			err = c.send(pongFrame, func(buf []byte) []byte { return append(buf, payload...) })
			if err != nil && !c.leaving.Load() {
				c.crowd.fault("pong: %v", err)
			}
		case kind == closeFrame && !c.leaving.Load():
			c.crowd.fault("closed by the server: %q", payload)
		}
	}
}

// take takes one message. What a healthy server says to a client that keeps its rules is known here;
// anything else is a fault.
func (c *client) take(text []byte) {
	kind, _, _ := bytes.Cut(bytes.TrimPrefix(text, []byte(`{"type":"`)), []byte{'"'})
	switch string(kind) {
	case "op":
		c.takeOperation(text)
	case "joined":
		c.joined <- c.takeJoined(text)
	case "welcome", "pong", "presence":
	case "tentative":
		if c.crowd.phase.Load() == nil {
			c.crowd.fault("the server said %s", text)
		}
	default:
		c.takeTrouble(text)
	}
}

// takeOperation checks the operation's place, and counts how old it is.
func (c *client) takeOperation(text []byte) {
	rest, ours := bytes.CutPrefix(text, c.opPrefix)
	seq, rest := leadingNumber(rest)
	rest, hashed := bytes.CutPrefix(rest, []byte(`,"hash":"`))
	if last := c.seq.Load(); !ours || !hashed || len(rest) < 16 || seq != last+1 {
		c.crowd.fault("operation after seq %d of room %s: %s", last, c.room.id, text)
		return
	}
	if i := bytes.LastIndex(rest, []byte(sentKey)); i >= 0 {
		c.crowd.aged(rest[i+len(sentKey):])
	}
	c.seq.Store(seq)
	if own, ok := bytes.CutPrefix(rest[16:], c.own); ok && c.crowd.phase.Load() != nil {
		n, _ := leadingNumber(own)
		c.asked.accepted(n, false)
	}
}

// takeJoined checks that a new client stands at the beginning, and notes its session.
func (c *client) takeJoined(text []byte) error {
	var joined struct {
		Session  string `json:"session"`
		Resumed  bool   `json:"resumed"`
		Position string `json:"position"`
		N        uint64 `json:"n"`
	}
	if err := json.Unmarshal(text, &joined); err != nil {
		return fmt.Errorf("joined: %w", err)
	}
	number, hash, _ := strings.Cut(joined.Position, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || len(hash) != 16 {
		return fmt.Errorf("joined at position %q", joined.Position)
	}
	if joined.Resumed || joined.N != c.n || seq != c.seq.Load() {
		return fmt.Errorf("joined at seq %d, n %d, want %d, %d: %.200s", seq, joined.N, c.seq.Load(), c.n, text)
	}
	c.own = []byte(`","session":"` + joined.Session + `","n":`)
	return nil
}

// leadingNumber reads the digits that text begins with, and returns what follows them.
func leadingNumber(text []byte) (n uint64, rest []byte) {
	for len(text) > 0 && '0' <= text[0] && text[0] <= '9' {
		n = n*10 + uint64(text[0]-'0')
		text = text[1:]
	}
	return n, text
}
