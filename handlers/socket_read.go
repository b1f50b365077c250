package handlers

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// limits of one socket, of the hub's configuration.
type limits struct {
	message   int // bytes
	heartbeat time.Duration
	timeout   time.Duration
}

func limitsOf(c flow.Config) limits {
	return limits{message: c.Limits.MessageBytes, heartbeat: c.Heartbeat, timeout: c.Timeout}
}

// ending is how the reader's side of a socket ended.
type ending struct {
	code   int  // of the close frame that is still owed; 0: none
	linger bool // the client may still be sending
}

// handleControl takes over what the library would answer by itself, past our own writes.
func (s *socket) handleControl() {
	s.ws.SetPingHandler(func(payload string) error {
		s.alive()
		s.control.Lock()
		s.ponging, s.pong = true, payload
		s.control.Unlock()
		s.peer.Wake()
		return nil
	})
	s.ws.SetPongHandler(func(string) error {
		s.alive()
		return nil
	})
	s.ws.SetCloseHandler(func(int, string) error { return nil }) // answered at the end
}

// ping asks the client for a sign of life. It runs on the goroutine of the beat.
func (s *socket) ping() {
	s.control.Lock()
	s.pinging = true
	s.control.Unlock()
	s.peer.Wake()
}

// alive renews the time that the client has for the next sign of life.
func (s *socket) alive() {
	grain := min(coarse, s.limits.timeout/8)
	now := time.Now()
	if now.Sub(s.renewed) < grain {
		return
	}
	s.renewed = now
	s.extend(s.limits.timeout + grain)
}

// read feeds the hub with messages until the connection ends. After it has asked for the end, it reads
// on without looking: what nobody reads makes the kernel throw away our goodbye.
func (s *socket) read() ending {
	s.alive()
	for refused := false; ; {
		kind, message, err := s.ws.NextReader()
		if err != nil {
			return s.ended(err)
		}
		s.alive()
		switch {
		case refused || s.stopping():
		case kind != websocket.TextMessage:
			s.peer.Close(flow.ByeProtocol)
			refused = true
		default:
			refused, err = s.receive(message)
			if errors.Is(err, errNotUTF8) {
				return ending{code: websocket.CloseInvalidFramePayloadData, linger: true}
			}
			if err != nil {
				return s.ended(err)
			}
		}
	}
}

var errNotUTF8 = errors.New("text is not UTF-8")

// receive reads one text message and hands it to the hub.
func (s *socket) receive(message io.Reader) (refused bool, err error) {
	buf := s.buffers.get(0)
	defer func() { s.buffers.put(buf) }()
	for err == nil {
		if len(*buf) > s.limits.message {
			s.peer.Close(flow.ByeTooLarge)
			return true, nil
		}
		if len(*buf) == cap(*buf) {
			buf = s.buffers.grow(buf)
		}
		var n int
		n, err = message.Read((*buf)[len(*buf):cap(*buf)])
		*buf = (*buf)[:len(*buf)+n]
	}
	if err != io.EOF {
		return false, err
	}
	if !utf8.Valid(*buf) {
		return false, errNotUTF8
	}
	s.peer.Receive(*buf)
	return false, nil
}

// ended says what is left to do after a read failed.
func (s *socket) ended(err error) ending {
	if s.stopping() {
		return ending{}
	}
	if farewell, ok := errors.AsType[*websocket.CloseError](err); ok {
		if farewell.Code == websocket.CloseAbnormalClosure { // the end of the connection, in the library's words
			return ending{}
		}
		return ending{code: farewell.Code}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.expire()
		return ending{}
	}
	if errors.Is(err, websocket.ErrReadLimit) { // a length that no frame can have
		return ending{code: websocket.CloseProtocolError, linger: true}
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, net.ErrClosed) {
		return ending{}
	}
	return ending{linger: true} // a broken frame; the library has said so, with 1002
}

// expire ends a socket that shows no sign of life, and waits until the hub has said its last word.
func (s *socket) expire() {
	s.peer.Close(flow.ByeTimeout)
	bound := time.NewTimer(2 * (patience + coarse))
	defer bound.Stop()
	select {
	case <-s.closed:
	case <-bound.C:
	}
}

// end takes the socket out of its rooms, pays what is owed to the client and lets the connection go.
func (s *socket) end(last ending) {
	defer s.release()
	s.beat.stop()
	s.hurry(parting)
	s.peer.Done()
	if last.code != 0 && !s.parted() {
		s.finish(closeFrame(last.code))
	}
	if last.linger {
		s.linger()
	}
}

// linger reads on for a moment. A connection that is left with something unread is reset, and the
// goodbye that is under way with it.
func (s *socket) linger() {
	s.stopReading(parting)
	var unread [512]byte
	for {
		if _, err := s.ws.NetConn().Read(unread[:]); err != nil {
			return
		}
	}
}
