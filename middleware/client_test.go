package middleware_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fiberflow/flow"
)

// message is a decoded message of a hub.
type message map[string]any

// client is a client of a hub that keeps what it is told.
type client struct {
	conn *flow.Conn

	mu     sync.Mutex
	closed bool
	got    []message
}

// connect connects a user to a hub until the test ends.
func connect(t *testing.T, hub *flow.Hub, user string) *client {
	t.Helper()
	c := &client{}
	conn, err := hub.Connect(c, flow.Client{User: &flow.User{ID: user}})
	if err != nil {
		t.Fatal(err)
	}
	c.conn = conn
	t.Cleanup(c.leave)
	return c
}

// leave ends the connection; the session waits to be resumed.
func (c *client) leave() {
	c.mu.Lock()
	left := c.closed
	c.closed = true
	c.mu.Unlock()
	if !left {
		c.conn.Done()
	}
}

// join joins a room, with a resume token or "", and returns the answer. A client does it once.
func (c *client) join(t *testing.T, room, resume string) message {
	t.Helper()
	c.say(`{"type":"join","id":"j","room":%q,"resume":%q}`, room, resume)
	var answer message
	eventually(t, "the join is answered", func() bool {
		answer = c.find(func(m message) bool { return m["id"] == "j" })
		return answer != nil
	})
	return answer
}

func (c *client) say(format string, args ...any) {
	c.conn.Receive(fmt.Appendf(nil, format, args...))
}

// find returns the first message that is right.
func (c *client) find(right func(message) bool) message {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		if right(m) {
			return m
		}
	}
	return nil
}

// Write implements flow.Transport.
func (c *client) Write(frames []*flow.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the client has left")
	}
	for _, f := range frames {
		m := message{}
		if err := json.Unmarshal(f.JSON, &m); err != nil {
			return err
		}
		c.got = append(c.got, m)
	}
	return nil
}

// Close implements flow.Transport.
func (c *client) Close(int) {}
