package outage_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

const (
	// tickEvery is how often a client looks whether something is due.
	tickEvery = 5 * time.Millisecond
	// dialTimeout bounds the handshake of a socket.
	dialTimeout = 3 * time.Second
	// pendingLimit is how many unconfirmed operations a client has at most.
	pendingLimit = 150
)

// client is a model with a socket. One goroutine owns both; others reach it through do.
type client struct {
	name  string
	token string
	world *world
	model *model // of the goroutine
	asked chan func()
	end   chan struct{} // closed by close
	once  sync.Once
	ended chan struct{}

	// What follows is of the goroutine.
	at      int           // index of the instance
	roams   bool          // to the next instance when a connection ends
	pace    time.Duration // between operations; 0: none
	next    time.Time     // operation
	written int
	conn    *websocket.Conn
	in      chan []byte // closed when the connection has ended
	dialAt  time.Time
}

// open returns a client that connects to the instance and joins the room, until the test ends.
func (w *world) open(name string, at int) *client {
	c := &client{
		name: name, token: w.token(name), world: w, at: at,
		asked: make(chan func()), end: make(chan struct{}), ended: make(chan struct{}),
	}
	c.model = newModel(name, w.room, w.ledger, c.send)
	go c.run() // ends with close
	w.t.Cleanup(c.close)
	return c
}

// do runs f on the client's goroutine, and reports whether it was there to do so.
func (c *client) do(f func(*model)) bool {
	done := make(chan struct{})
	select {
	case c.asked <- func() { f(c.model); close(done) }:
		<-done
		return true
	case <-c.ended:
		return false
	}
}

// is reports whether f holds.
func (c *client) is(f func(*model) bool) (holds bool) {
	c.do(func(m *model) { holds = f(m) })
	return holds
}

// write has the client write an operation now and then; 0 stops it.
func (c *client) write(pace time.Duration) { c.do(func(*model) { c.pace = pace }) }

// hop moves the client to the next instance.
func (c *client) hop() {
	c.do(func(*model) {
		c.at++
		c.hangUp()
	})
}

// close ends the client as one does that vanishes.
func (c *client) close() {
	c.once.Do(func() { close(c.end) })
	<-c.ended
}

func (c *client) run() {
	defer close(c.ended)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.end:
			c.hangUp()
			return
		case f := <-c.asked:
			c.model.now = time.Now()
			f()
		case text, ok := <-c.in:
			c.model.now = time.Now()
			if !ok {
				c.lost()
				continue
			}
			c.take(text)
		case c.model.now = <-tick.C:
			c.model.now = time.Now()
			c.tick()
		}
	}
}

func (c *client) take(text []byte) {
	list, err := messages(text)
	if err != nil {
		c.model.breach("protocol", "%v", err)
	}
	for _, msg := range list {
		c.model.take(msg)
	}
}

func (c *client) tick() {
	m := c.model
	if c.in == nil && !m.deleted && m.now.After(c.dialAt) {
		c.dial()
	}
	m.tick()
	if c.pace > 0 && m.session != "" && m.now.After(c.next) && len(m.pending) < pendingLimit {
		c.next = m.now.Add(c.pace)
		c.submit()
	}
}

// submit writes the client's next operation.
func (c *client) submit() {
	c.written++
	c.model.submit(fmt.Sprintf(`{"by":%q,"i":%d,"text":"ä\u00e4 \"%s\""}`, c.name, c.written, strings.Repeat("x", 40)))
}

// dial opens a socket. What the server says comes in through c.in.
func (c *client) dial() {
	address := c.world.instance(c.at).base
	dialer := websocket.Dialer{HandshakeTimeout: dialTimeout, Subprotocols: []string{"flow.v1"}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(address, "http")+"/ws",
		http.Header{"Authorization": {"Bearer " + c.token}})
	c.model.now = time.Now()
	if err != nil {
		c.again()
		return
	}
	c.conn, c.in = conn, make(chan []byte, 64)
	c.model.connected()
	go read(conn, c.in, c.end) // ends with the connection
}

func read(conn *websocket.Conn, in chan<- []byte, end <-chan struct{}) {
	defer close(in)
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		select {
		case in <- text:
		case <-end:
			return
		}
	}
}

func (c *client) send(text string) {
	if c.conn == nil {
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(dialTimeout)) // fails only on an ended connection
	if c.conn.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
		_ = c.conn.Close() // the reader tells
	}
}

// hangUp ends the connection without a word, and forgets what was still under way.
func (c *client) hangUp() {
	if c.conn == nil {
		return
	}
	_ = c.conn.Close()
	for range c.in { // the reader ends
	}
	c.lost()
}

func (c *client) lost() {
	_ = c.conn.Close()
	c.conn, c.in = nil, nil
	c.model.lost()
	c.again()
}

// again says when and where to connect next.
func (c *client) again() {
	c.dialAt = c.model.now.Add(20 * time.Millisecond)
	if c.roams {
		c.at++
	}
}
