package handlers

import (
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/fasthttp/websocket"
)

const (
	finalFrame   = 0x80
	reservedBits = 0x70 // extensions would use them; none is ever negotiated
	kindOfFrame  = 0x0f
	maskedFrame  = 0x80
	continuation = 0
	maxControl   = 125 // bytes in a control frame
)

// errFrame: what came cannot be the frame of a client.
var errFrame = errors.New("broken frame")

// frameHead is the header of a frame of a client.
type frameHead struct {
	kind  byte
	final bool
	size  int64 // of the payload
}

func (h frameHead) control() bool { return h.kind >= websocket.CloseMessage }

// frameReader reads the frames of a client, as RFC 6455 has them without extensions. The library's own reader
// does not do: it loops over empty fragments where nobody can count them, and writes its close frames past
// our own writes.
type frameReader struct {
	in   *intake
	left int64 // of the payload of the frame at hand
	mask [4]byte
	turn int // the part of the mask that comes next
}

// await waits for the next frame, if nothing of it is there. It is here that idle sockets wait: the fewer calls
// deep, the smaller the stack.
func (f *frameReader) await() error {
	if f.left > 0 || f.in.buffered() > 0 {
		return nil
	}
	return f.in.fill()
}

// next reads the header of the next frame, after what is left of the one before.
func (f *frameReader) next() (frameHead, error) {
	for f.left > 0 {
		n, err := f.in.Discard(int(min(f.left, 1<<20)))
		f.left -= int64(n)
		if err != nil {
			return frameHead{}, err
		}
	}
	start, err := f.take(2)
	if err != nil {
		return frameHead{}, err
	}
	head := frameHead{kind: start[0] & kindOfFrame, final: start[0]&finalFrame != 0}
	size := start[1] &^ maskedFrame
	switch {
	case start[0]&reservedBits != 0, start[1]&maskedFrame == 0:
		return frameHead{}, errFrame
	case head.control() && (!head.final || size > maxControl || head.kind > websocket.PongMessage):
		return frameHead{}, errFrame
	case !head.control() && head.kind > websocket.BinaryMessage:
		return frameHead{}, errFrame
	}
	if head.size, err = f.length(size); err != nil {
		return frameHead{}, err
	}
	mask, err := f.take(len(f.mask))
	f.left, f.turn = head.size, 0
	copy(f.mask[:], mask)
	return head, err
}

// length reads the rest of a payload's length.
func (f *frameReader) length(short byte) (int64, error) {
	switch short {
	case 126:
		wide, err := f.take(2)
		if err != nil {
			return 0, err
		}
		return int64(binary.BigEndian.Uint16(wide)), nil
	case 127:
		wide, err := f.take(8)
		if err != nil {
			return 0, err
		}
		size := int64(binary.BigEndian.Uint64(wide))
		if size < 0 {
			return 0, errFrame
		}
		return size, nil
	default:
		return int64(short), nil
	}
}

// take reads n bytes, at most as many as the buffer holds. They stand until the next read.
func (f *frameReader) take(n int) ([]byte, error) {
	b, err := f.in.Peek(n)
	if err != nil {
		return nil, err
	}
	_, err = f.in.Discard(n)
	return b, err
}

// control returns the payload of the control frame at hand. It stands until the next read.
func (f *frameReader) control() ([]byte, error) {
	payload, err := f.take(int(f.left))
	if err != nil {
		return nil, err
	}
	f.left = 0
	f.unmask(payload)
	return payload, nil
}

// Read reads from the payload of the frame at hand; [io.EOF] at its end.
func (f *frameReader) Read(b []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n, err := f.in.Read(b[:min(int64(len(b)), f.left)])
	f.left -= int64(n)
	f.unmask(b[:n])
	return n, err
}

func (f *frameReader) unmask(b []byte) {
	var key [8]byte
	for i := range key {
		key[i] = f.mask[(f.turn+i)%len(f.mask)]
	}
	f.turn = (f.turn + len(b)) % len(f.mask)
	wide := binary.LittleEndian.Uint64(key[:])
	for ; len(b) >= len(key); b = b[len(key):] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= key[i]
	}
}

// farewell returns the code in the payload of a close frame.
func farewell(payload []byte) (code int, err error) {
	if len(payload) == 0 {
		return websocket.CloseNoStatusReceived, nil
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return 0, errFrame
	}
	code = int(binary.BigEndian.Uint16(payload))
	switch {
	case code >= 3000 && code <= 4999:
	case code < websocket.CloseNormalClosure, code > websocket.CloseTryAgainLater,
		code == 1004, code == websocket.CloseNoStatusReceived, code == websocket.CloseAbnormalClosure:
		return 0, errFrame
	}
	return code, nil
}
