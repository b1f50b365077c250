package flow_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fiberflow/flow"
)

// pushPipe is a pipe that can push. Every third push takes nothing, as a full socket does; then Write must
// follow, before anything else is pushed.
type pushPipe struct {
	*pipe
	pushes int
	kept   []*flow.Frame
	wrong  string
	fail   error
	panics bool
}

func (p *pushPipe) Push(frames []*flow.Frame) (left bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushes++
	switch {
	case p.panics:
		panic("a broken transport")
	case p.fail != nil:
		return false, p.fail
	case len(p.kept) > 0:
		p.wrong = "Push came before the Write that sends what was left"
	case p.pushes%3 == 0:
		p.kept = append(p.kept, frames...)
		return true, nil
	}
	p.frames = append(p.frames, frames...)
	p.signal()
	return false, nil
}

func (p *pushPipe) Write(frames []*flow.Frame) error {
	p.mu.Lock()
	all := append(p.kept, frames...)
	p.kept = nil
	p.mu.Unlock()
	return p.pipe.Write(all)
}

// pusher connects a user over a transport that can push.
func pusher(t *testing.T, h *flow.Hub, user string) (*client, *pushPipe) {
	t.Helper()
	p := &pushPipe{pipe: newPipe()}
	c := &client{t: t, user: user, pipe: p.pipe}
	conn, err := h.Connect(p, flow.Client{User: &flow.User{ID: user}})
	if err != nil {
		t.Fatal(err)
	}
	c.conn = conn
	t.Cleanup(c.drop)
	c.expect("welcome")
	return c, p
}

// Whatever a connection takes at once or later, it gets everything once and in order. I2
func TestConn_Push(t *testing.T) {
	h := newHub(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 10_000}})
	ann := dial(t, h, "ann")
	ann.join("r")
	bob, p := pusher(t, h, "bob")
	bob.join("r")
	const count = 500
	for n := 1; n <= count; n++ {
		ann.op("r", n, n)
	}
	for n := int64(1); n <= count; n++ {
		if got := bob.expect("op"); got.num("n") != n {
			t.Fatalf("operation %d came in place of %d", got.num("n"), n)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wrong != "" || p.pushes < 3 {
		t.Errorf("%s, after %d pushes", p.wrong, p.pushes)
	}
}

// A transport that fails or panics ends its own connection, and the others of its flusher are served on.
func TestConn_Push_broken(t *testing.T) {
	for name, breaks := range map[string]func(*pushPipe){
		"fails":  func(p *pushPipe) { p.fail = errors.New("gone") },
		"panics": func(p *pushPipe) { p.panics = true },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, flow.Config{})
			ann, _ := pusher(t, h, "ann")
			ann.join("r")
			bob, p := pusher(t, h, "bob")
			bob.join("r")
			p.mu.Lock()
			breaks(p)
			p.mu.Unlock()
			ann.op("r", 1, strings.Repeat("x", 100))
			for bob.closed() == 0 {
				<-p.fresh
			}
			ann.op("r", 2, "y")
			ann.find(func(m msg) bool { return m.str("type") == "op" && m.num("n") == 2 })
		})
	}
}

// A transport that was closed is asked for nothing more, whatever its client still sends: it may be saying its last
// word to a client that does not read, and the flusher, and so all others, would wait for that.
func TestConn_Push_afterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, flow.Config{})
		bob, p := pusher(t, h, "bob")
		bob.conn.Close(flow.ByeKicked)
		synctest.Wait()
		p.mu.Lock()
		before := p.pushes
		if p.closed != 4102 {
			t.Error("the transport was not closed")
		}
		p.mu.Unlock()
		bob.conn.Wake()
		synctest.Wait()
		p.mu.Lock()
		if p.pushes != before {
			t.Error("Push came after Close")
		}
		p.mu.Unlock()
		bob.drop()
		closeHub(t, h)
	})
}
