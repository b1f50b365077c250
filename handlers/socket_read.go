package handlers

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// smallFragment is the size below which a fragment of a message counts like a message: whoever sends a
// large one in crumbs pays for the crumbs.
const smallFragment = 128

// rarely is how long a client has been silent whose message does not make the stack of its socket grow. For
// a message that comes sooner the way over the stage, half a microsecond, would be too much.
const rarely = time.Second

// limits of one socket, of the hub's configuration.
type limits struct {
	heartbeat time.Duration
	timeout   time.Duration
}

func limitsOf(c flow.Config) limits { return limits{heartbeat: c.Heartbeat, timeout: c.Timeout} }

// grain is how precisely the time for a sign of life is kept.
func (l limits) grain() time.Duration { return min(coarse, l.timeout/8) }

// incoming is the message that the reader is in the middle of.
type incoming struct {
	buf      *[]byte // nil before its first byte
	underway bool
	refused  bool // this one, and all that follow
}

var (
	// errNotUTF8: a text is not UTF-8.
	errNotUTF8 = errors.New("text is not UTF-8")
	// errPanicked: what was done on the stage has panicked.
	errPanicked = errors.New("panicked")
	// errEnded: what was done on the stage has ended its goroutine.
	errEnded = errors.New("the goroutine was ended")
)

// ping asks the client for a sign of life. It runs on the goroutine of the beat.
func (s *socket) ping() {
	s.control.Lock()
	s.pinging = true
	s.control.Unlock()
	s.peer.Wake()
}

// alive renews the time that the client has for the next sign of life. While a message is under way
// nothing does: a client that never ends it would keep its memory for as long as it likes. Deadlines are
// set on the stage, at most once a second: they go deep.
func (s *socket) alive() {
	s.now = time.Now()
	if s.message.underway || s.now.Sub(s.renewed) < s.limits.grain() {
		return
	}
	s.renewed = s.now
	_ = s.stage.do(func() { s.extend(s.limits.timeout + s.limits.grain()) }) // which cannot panic
}

// read feeds the hub with messages until the connection ends. After it has asked for the end, it reads
// on without looking: what nobody reads makes the kernel throw away our goodbye.
func (s *socket) read() ending {
	defer s.drop()
	for {
		s.alive()
		if err := s.in.await(); err != nil {
			return s.ended(err)
		}
		head, err := s.in.next()
		s.alive() // a message that begins has all the time from here
		switch {
		case err != nil:
		case head.control():
			err = s.takeControl(head)
		default:
			err = s.takeData(head)
		}
		if err != nil {
			return s.ended(err)
		}
	}
}

// takeControl answers a control frame. What comes beyond the rate of such frames is not.
func (s *socket) takeControl(head frameHead) error {
	payload, err := s.in.control()
	if err != nil {
		return err
	}
	if head.kind == websocket.CloseMessage {
		code, err := farewell(payload)
		if err != nil {
			return err
		}
		return farewellError(code)
	}
	if !s.peer.Noise() || head.kind == websocket.PongMessage {
		return nil
	}
	s.control.Lock()
	s.ponging, s.pong = true, string(payload)
	s.control.Unlock()
	s.peer.Wake()
	return nil
}

// takeData reads one frame of a message, and hands the message to the hub when it is whole.
func (s *socket) takeData(head frameHead) error {
	m := &s.message
	if (head.kind == continuation) != m.underway {
		return errFrame
	}
	if head.kind == continuation && head.size < smallFragment {
		s.peer.Noise()
	}
	m.underway = !head.final
	if head.kind == websocket.BinaryMessage {
		s.refuse(flow.ByeProtocol)
	}
	if m.refused || s.stopping() {
		return nil
	}
	if err := s.gather(head.size); err != nil || m.underway || m.refused {
		return err
	}
	return s.deliver()
}

// refuse ends the socket because of a message.
func (s *socket) refuse(why flow.Bye) {
	if !s.message.refused {
		s.message.refused = true
		s.drop()
		s.peer.Close(why)
	}
}

// gather adds the payload of a frame to the message at hand. The memory grows with what has come, not
// with what was announced.
func (s *socket) gather(size int64) error {
	m := &s.message
	have := 0
	if m.buf != nil {
		have = len(*m.buf)
	}
	if size > int64(s.peer.MessageLimit()-have) {
		s.refuse(flow.ByeTooLarge)
		return nil
	}
	for s.in.left > 0 {
		if m.buf == nil {
			m.buf = s.buffers.get(0)
		}
		if len(*m.buf) == cap(*m.buf) {
			m.buf = s.buffers.grow(m.buf)
		}
		n, err := s.in.Read((*m.buf)[len(*m.buf):cap(*m.buf)])
		*m.buf = (*m.buf)[:len(*m.buf)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// deliver hands a whole message to the hub: over the stage unless the socket is busy, for then its stack has
// grown, or may.
func (s *socket) deliver() error {
	before := s.heard
	s.heard = s.now
	if s.now.Sub(before) <= rarely {
		err := s.hear()
		s.drop()
		return err
	}
	var err error
	panicked := s.stage.do(func() { err = s.hear() })
	s.drop()
	if panicked != nil {
		return panicked
	}
	return err
}

func (s *socket) hear() error {
	var text []byte
	if s.message.buf != nil {
		text = *s.message.buf
	}
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	s.peer.Receive(text)
	return nil
}

// drop gives back the memory of the message at hand.
func (s *socket) drop() {
	if s.message.buf != nil {
		s.buffers.put(s.message.buf)
		s.message.buf = nil
	}
}
