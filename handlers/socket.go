package handlers

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	fasthttpws "github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// socket is one WebSocket connection. It implements [flow.Transport]; the goroutine of its handler reads.
type socket struct {
	pipe

	in      frameReader // the reader's, and so are the next four
	message incoming
	renewed time.Time // when it last extended its deadline
	now     time.Time // when something last came
	heard   time.Time // when the last message came
	peer    peer
	limits  limits
	buffers *buffers
	stage   *stage
	logger  *slog.Logger
	chunk   int
	closed  chan struct{} // closed when the hub has said its last word
	left    func()        // tells the drain that the socket is over

	beat beat

	control sync.Mutex
	pinging bool   // a ping waits to be written
	ponging bool   // a pong waits to be written, with this payload
	pong    string // of the newest ping; older ones need no answer
}

// peer is the hub's side of a connection, a *[flow.Conn].
type peer interface {
	Receive(data []byte)
	MessageLimit() int
	Noise() bool
	Wake()
	Close(why flow.Bye)
	Done()
}

// runSocket serves one socket until it ends. It is the last to use the connection.
//
// Between here and the read that waits for the client there are few frames and small ones, and what goes
// deeper goes over the stage: so a socket that was never busy waits on a stack of 2 KB.
func (e *endpoints) runSocket(conn net.Conn, hello func() []byte, shake *handshake) {
	e.stage.enter()
	s := &socket{stage: &e.stage, buffers: e.buffers, logger: e.config.Logger}
	defer s.leave()
	_ = e.stage.do(func() { s.open(e, conn, hello(), shake) }) // which catches its panics
	if s.peer != nil {
		s.serve()
	}
}

// leave is the last of a socket. Nobody else would catch a panic here.
func (s *socket) leave() {
	if p := recover(); p != nil {
		s.logPanic(panicError(p))
	}
	if s.left != nil {
		s.left()
	}
	s.stage.leave()
}

func (s *socket) logPanic(err error) { s.logger.Error("socket panicked", "error", err) }

// open hands the socket to the hub; without a peer if the hub does not take it.
func (s *socket) open(e *endpoints, conn net.Conn, hello []byte, shake *handshake) {
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(panicError(p))
		}
	}()
	s.left = e.drain.enter(shake.hub, shake.server)
	s.limits, s.chunk = limitsOf(shake.hub.Config()), shake.chunk
	s.closed = make(chan struct{})
	s.take(conn, hello, e.attempts)
	end, err := shake.hub.Connect(s, shake.client)
	if err != nil { // the last place went to another, or the hub began to drain
		s.turnAway(shake.hub.Refused(err))
		return
	}
	s.peer = end
	s.start()
}

// turnAway ends a socket that the hub did not take.
func (s *socket) turnAway(goodbye *flow.Frame, why flow.Bye) {
	defer s.release()
	s.hurry(lastWrite)
	_ = s.Write([]*flow.Frame{goodbye}) // nobody is left to hear of it
	s.finish(closeFrame(why.CloseCode()))
	s.linger()
}

// take gives the socket its connection.
func (s *socket) take(conn net.Conn, hello []byte, a *attempts) {
	s.conn, s.raw, s.attempts, s.hello = conn, rawOf(conn), a, hello
	s.in.in = newIntake(conn, s.raw, s.buffers)
}

// start has the client show that it lives, from now on.
func (s *socket) start() {
	s.beat.start(s.limits.heartbeat, s.logger, s.ping)
	s.renewed = time.Now()
	s.extend(s.limits.timeout + s.limits.grain())
}

// serve reads until the connection ends, and cleans up after it. A panic in between, of a hook of the
// application for example, ends this socket alone.
func (s *socket) serve() {
	var last ending
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(panicError(p))
			last = ending{code: fasthttpws.CloseInternalServerErr, linger: true}
		}
		s.end(last)
	}()
	last = s.read()
}

func panicError(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("%w\n%s", err, debug.Stack())
	}
	return errors.New(fmt.Sprint(p) + "\n" + string(debug.Stack()))
}
