package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The kinds of WebSocket frames (RFC 6455) that a client meets.
const (
	textFrame  = 0x1
	closeFrame = 0x8
	pingFrame  = 0x9
	pongFrame  = 0xA

	final  = 0x80
	masked = 0x80
)

const (
	// headerRoom is what stands before the payload of a client's frame of up to 64 KiB: the header
	// with its mask.
	headerRoom = 8
	maxPayload = 1<<16 - 1 // of a client's frame
	maxInbox   = 16 << 20  // of a server's frame; a list of many participants is long
)

// errFrame is a frame that no server of flow sends.
var errFrame = errors.New("not a whole, unmasked frame of the server")

// sealFrame returns the client's frame of kind in buf, whose payload stands after headerRoom. The mask
// is zero, so the payload stays as it is; the server cannot know.
func sealFrame(buf []byte, kind byte) []byte {
	size := len(buf) - headerRoom
	if size < 126 {
		buf = buf[2:]
		buf[0], buf[1] = final|kind, masked|byte(size)
		clear(buf[2:6])
		return buf
	}
	buf[0], buf[1] = final|kind, masked|126
	binary.BigEndian.PutUint16(buf[2:], uint16(size))
	clear(buf[4:8])
	return buf
}

// inbox takes the frames of a server apart.
type inbox struct {
	src      io.Reader
	buf      []byte
	from, to int // what of buf was read, and not handed out
}

// next returns the next frame. The payload is good until the next call.
func (b *inbox) next() (kind byte, payload []byte, err error) {
	for {
		var size int
		kind, payload, size, err = parseFrame(b.buf[b.from:b.to])
		if err != nil || size > 0 {
			b.from += size
			return kind, payload, err
		}
		if _, err := b.peek(b.to - b.from + 1); err != nil {
			return 0, nil, err
		}
	}
}

// peek returns the next n bytes, read if need be.
func (b *inbox) peek(n int) ([]byte, error) {
	for b.to-b.from < n {
		if b.from > 0 {
			b.to = copy(b.buf, b.buf[b.from:b.to])
			b.from = 0
		}
		if len(b.buf) < n {
			b.buf = append(b.buf, make([]byte, max(n, 2*len(b.buf))-len(b.buf))...)
		}
		read, err := b.src.Read(b.buf[b.to:])
		b.to += read
		if err != nil && b.to-b.from < n {
			return nil, err
		}
	}
	return b.buf[b.from : b.from+n], nil
}

// parseFrame returns the first frame of data with its size, 0 when there is no whole one.
func parseFrame(data []byte) (kind byte, payload []byte, size int, err error) {
	if len(data) < 2 {
		return 0, nil, 0, nil
	}
	kind = data[0] &^ final
	if data[0]&final == 0 || data[1]&masked != 0 || kind > pongFrame {
		return 0, nil, 0, fmt.Errorf("%w: % x", errFrame, data[:2])
	}
	header, length := 2, int(data[1])
	switch {
	case length == 126 && len(data) >= 4:
		header, length = 4, int(binary.BigEndian.Uint16(data[2:]))
	case length == 127 && len(data) >= 10:
		header, length = 10, int(min(binary.BigEndian.Uint64(data[2:]), maxInbox+1))
	case length >= 126:
		return 0, nil, 0, nil
	}
	if length > maxInbox {
		return 0, nil, 0, fmt.Errorf("%w: longer than %d bytes", errFrame, maxInbox)
	}
	if len(data) < header+length {
		return 0, nil, 0, nil
	}
	return kind, data[header : header+length], header + length, nil
}
