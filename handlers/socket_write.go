package handlers

import (
	"encoding/binary"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

const maxHeader = 10 // bytes, of a frame from the server

// Write implements [flow.Transport]: one write for all frames that fit into one buffer.
func (s *socket) Write(frames []*flow.Frame) error {
	s.out.Lock()
	defer s.out.Unlock()
	if rest := s.rest; len(rest) > 0 {
		s.rest = nil
		if err := s.send(rest); err != nil {
			return err
		}
	}
	return s.pack(frames, false)
}

// pack writes frames behind the control frames that wait. The caller holds out.
func (s *socket) pack(frames []*flow.Frame, push bool) error {
	if s.parted() { // nothing may follow a close frame
		return errGone
	}
	size := 2*(maxHeader+maxControl) + len(s.hello)
	for _, f := range frames {
		size += maxHeader + len(f.JSON)
	}
	buf := s.buffers.get(size)
	defer s.buffers.put(buf)
	p := packer{pipe: &s.pipe, push: push, buf: (*buf)[:0:min(cap(*buf), s.chunk)]}
	p.add(s.hello)
	s.hello = nil
	s.addControl(&p)
	for _, f := range frames {
		addFrame(&p, websocket.TextMessage, f.JSON)
	}
	return p.flush()
}

// addControl adds the control frames that wait, ahead of the messages.
func (s *socket) addControl(p *packer) {
	s.control.Lock()
	ping, pong, payload := s.pinging, s.ponging, s.pong
	s.pinging, s.ponging, s.pong = false, false, ""
	s.control.Unlock()
	if pong {
		addFrame(p, websocket.PongMessage, []byte(payload))
	}
	if ping {
		addFrame(p, websocket.PingMessage, nil)
	}
}

// Close implements [flow.Transport].
func (s *socket) Close(code int) {
	s.finish(closeFrame(code))
	close(s.closed)
}

func addFrame(p *packer, kind byte, payload []byte) {
	var header [maxHeader]byte
	p.add(appendHeader(header[:0], kind, len(payload)))
	p.add(payload)
}

// appendHeader appends the header of a whole frame from the server: final, not masked.
func appendHeader(b []byte, kind byte, size int) []byte {
	b = append(b, finalFrame|kind)
	switch {
	case size < 126:
		return append(b, byte(size))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(size))
	}
}

// closeFrame returns a whole close frame; without a code if the code must not be sent.
func closeFrame(code int) []byte {
	payload := websocket.FormatCloseMessage(code, "")
	return append(appendHeader(nil, websocket.CloseMessage, len(payload)), payload...)
}
