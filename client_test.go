package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// msg is a decoded message of the server.
type msg map[string]any

func (m msg) str(key string) string {
	s, _ := m[key].(string)
	return s
}

func (m msg) num(key string) int64 {
	f, _ := m[key].(float64)
	return int64(f)
}

// pipe is a transport that keeps what it was given. It can be made to block.
type pipe struct {
	mu     sync.Mutex
	frames []*flow.Frame
	closed int
	fresh  chan struct{} // something happened
	gate   chan struct{} // if set, Write blocks until it is closed or the pipe is cut
	cut    chan struct{}
	once   sync.Once
}

func newPipe() *pipe {
	return &pipe{fresh: make(chan struct{}, 1), cut: make(chan struct{})}
}

func (p *pipe) Write(frames []*flow.Frame) error {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-p.cut:
			return errors.New("cut")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(p.frames, frames...)
	p.signal()
	return nil
}

func (p *pipe) Close(code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = code
	p.end()
	p.signal()
}

// end makes every Write fail that blocks.
func (p *pipe) end() { p.once.Do(func() { close(p.cut) }) }

func (p *pipe) signal() {
	select {
	case p.fresh <- struct{}{}:
	default:
	}
}

// client is a client of a hub over a pipe.
type client struct {
	t    *testing.T
	user string
	pipe *pipe
	conn *flow.Conn
	next int // frames of the pipe that were looked at
	ids  int
	done sync.Once
}

// quiet is a logger that drops everything.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// memory fills in backends in memory and what tests want quiet.
func memory(cfg flow.Config) flow.Config {
	if cfg.Log == nil {
		cfg.Log = memx.NewLog(memx.LogConfig{})
	}
	if cfg.Leases == nil {
		cfg.Leases, _ = cfg.Log.(flow.Leases)
	}
	if cfg.Cursors == nil {
		cfg.Cursors, _ = cfg.Log.(flow.Cursors)
	}
	if cfg.Bus == nil {
		cfg.Bus = memx.NewBus()
	}
	if cfg.Sessions == nil {
		cfg.Sessions = memx.NewSessionStore(memx.SessionConfig{})
	}
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	return cfg
}

// newHub opens a hub that ends with the test.
func newHub(t *testing.T, cfg flow.Config) *flow.Hub {
	t.Helper()
	h, err := flow.New(memory(cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Errorf("close hub: %v", err)
		}
	})
	return h
}

// newHubs opens two instances that share their backends, and end with the test.
func newHubs(t *testing.T, cfg flow.Config) (one, two *flow.Hub) {
	t.Helper()
	cfg = memory(cfg)
	cfg.Instance = "one"
	one = newHub(t, cfg)
	cfg.Instance = "two"
	return one, newHub(t, cfg)
}

// dial connects a user and reads the welcome.
func dial(t *testing.T, h *flow.Hub, user string) *client {
	t.Helper()
	return dialAs(t, h, &flow.User{ID: user, Name: user})
}

func dialAs(t *testing.T, h *flow.Hub, user *flow.User) *client {
	t.Helper()
	c := &client{t: t, pipe: newPipe()}
	if user != nil {
		c.user = user.ID
	}
	conn, err := h.Connect(c.pipe, flow.Client{User: user})
	if err != nil {
		t.Fatal(err)
	}
	c.conn = conn
	t.Cleanup(c.drop)
	c.expect("welcome")
	return c
}

// drop ends the transport, as a lost connection does.
func (c *client) drop() {
	c.pipe.end()
	c.done.Do(c.conn.Done)
}

// send gives the hub one message.
func (c *client) send(m msg) {
	c.t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.conn.Receive(text)
}

// request sends a message with a fresh id and returns the answer with it.
func (c *client) request(m msg) msg {
	c.t.Helper()
	c.ids++
	m["id"] = fmt.Sprint("r", c.ids)
	c.send(m)
	return c.find(func(got msg) bool { return got.str("id") == m["id"] })
}

// join joins a room and fails the test if it may not.
func (c *client) join(room string, extra ...msg) msg {
	c.t.Helper()
	m := msg{"type": "join", "room": room}
	for _, e := range extra {
		maps.Copy(m, e)
	}
	got := c.request(m)
	if got.str("type") != "joined" {
		c.t.Fatalf("join answered %v", got)
	}
	return got
}

func (c *client) op(room string, n int, data any) {
	c.t.Helper()
	c.send(msg{"type": "op", "room": room, "n": n, "data": data})
}

// expect returns the next message of a type, and skips others.
func (c *client) expect(kind string) msg {
	c.t.Helper()
	return c.find(func(m msg) bool { return m.str("type") == kind })
}

// find returns the next message that fits, and skips others.
func (c *client) find(fits func(msg) bool) msg {
	c.t.Helper()
	limit := time.After(patience)
	for {
		if m, ok := c.poll(fits); ok {
			return m
		}
		select {
		case <-c.pipe.fresh:
		case <-limit:
			c.t.Fatalf("no message that fits within %v; got %s", patience, c.transcript())
		}
	}
}

// poll looks at what has come so far.
func (c *client) poll(fits func(msg) bool) (msg, bool) {
	c.t.Helper()
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	for c.next < len(c.pipe.frames) {
		var m msg
		f := c.pipe.frames[c.next]
		c.next++
		if err := json.Unmarshal(f.JSON, &m); err != nil {
			c.t.Fatalf("frame is not JSON: %v: %s", err, f.JSON)
		}
		if m.str("type") != f.Type {
			c.t.Fatalf("frame of type %s says %s", f.Type, f.JSON)
		}
		if fits(m) {
			return m, true
		}
	}
	return nil, false
}

// transcript returns everything that came, for failures.
func (c *client) transcript() string {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	s := ""
	for _, f := range c.pipe.frames {
		s += "\n" + string(f.JSON)
	}
	return s
}

// count returns how many messages of a type came so far, looked at or not.
func (c *client) count(kind string) int {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	n := 0
	for _, f := range c.pipe.frames {
		if f.Type == kind {
			n++
		}
	}
	return n
}

// closed waits for the end of the connection and returns its code.
func (c *client) closed() int {
	c.t.Helper()
	select {
	case <-c.pipe.cut:
	case <-time.After(patience):
		c.t.Fatalf("the connection was not closed; got %s", c.transcript())
	}
	c.drop()
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	return c.pipe.closed
}

// eventually polls until ok, at most patience.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	pollEvery(t, 2*time.Millisecond, what, ok)
}

// pollEvery is eventually for what must not be asked too often.
func pollEvery(t *testing.T, pause time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// advance lets time pass inside a synctest bubble, and everything happen that is due by then.
func advance(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock is synctest's, which moves only so
	synctest.Wait()
}
