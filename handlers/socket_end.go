package handlers

import (
	"errors"
	"os"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// ending is how the reader's side of a socket ended.
type ending struct {
	code   int  // of the close frame that is still owed; 0: none
	linger bool // the client may still be sending
}

// farewellError: the client has said goodbye, with this close code.
type farewellError int

func (farewellError) Error() string { return "the client has closed the socket" }

// ended says what is left to do after a read failed.
func (s *socket) ended(err error) ending {
	if errors.Is(err, errPanicked) {
		s.logPanic(err)
	}
	if s.stopping() {
		return ending{}
	}
	if code, ok := errors.AsType[farewellError](err); ok {
		return ending{code: int(code)}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.expire()
		return ending{}
	case errors.Is(err, errFrame):
		return ending{code: websocket.CloseProtocolError, linger: true}
	case errors.Is(err, errNotUTF8):
		return ending{code: websocket.CloseInvalidFramePayloadData, linger: true}
	case errors.Is(err, errPanicked):
		return ending{code: websocket.CloseInternalServerErr, linger: true}
	default: // the connection is gone
		return ending{}
	}
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
	defer s.in.in.close()
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
		if _, err := s.in.in.Read(unread[:]); err != nil {
			return
		}
	}
}
