package handlers

import (
	"io"
	"net"
	"syscall"
	"time"
)

// waitingBuffer is the buffer of a connection whose reads can only wait.
const waitingBuffer = 512

// intake reads what a client sends. While nothing comes it has no memory: the buffer is lent when there is
// something to read, and given back when all of that was taken. So an idle socket costs no buffer, and a
// busy one reads many frames at once.
type intake struct {
	conn    io.Reader
	raw     syscall.RawConn // of conn; nil where reads can only wait
	buffers *buffers

	buf  *[]byte // nil while empty; its bytes from at on were not taken yet
	at   int
	got  int   // by the attempt at hand
	err  error // of the attempt at hand
	read func(fd uintptr) bool
}

func newIntake(conn net.Conn, raw syscall.RawConn, b *buffers) *intake {
	in := &intake{conn: conn, raw: raw, buffers: b}
	in.read = in.attempt
	if raw != nil {
		in.salvage(conn)
	}
	return in
}

// salvage takes over what fasthttp has read behind the handshake. A deadline that is over lets it give what
// it has, which is at most fiber.Config.ReadBufferSize, and read no more.
func (in *intake) salvage(conn net.Conn) {
	if conn.SetReadDeadline(time.Unix(1, 0)) != nil {
		return // the connection is gone, as the first read will find
	}
	in.room()
	for {
		if len(*in.buf) == cap(*in.buf) {
			in.buf = in.buffers.grow(in.buf)
		}
		n, err := in.conn.Read((*in.buf)[len(*in.buf):cap(*in.buf)])
		*in.buf = (*in.buf)[:len(*in.buf)+n]
		if err != nil || n == 0 {
			break
		}
	}
	in.giveBack()
	_ = conn.SetReadDeadline(time.Time{}) // likewise
}

// Peek returns the next n bytes, which stand until the next read. n must not be more than a small buffer
// holds.
func (in *intake) Peek(n int) ([]byte, error) {
	for in.buffered() < n {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	return (*in.buf)[in.at : in.at+n], nil
}

// Discard moves past n bytes, or as many as come.
func (in *intake) Discard(n int) (int, error) {
	left := n
	for left > 0 {
		if in.buffered() == 0 {
			if err := in.fill(); err != nil {
				return n - left, err
			}
		}
		some := min(left, in.buffered())
		in.at += some
		left -= some
	}
	return n, nil
}

// Read implements [io.Reader].
func (in *intake) Read(b []byte) (int, error) {
	if in.buffered() == 0 {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, (*in.buf)[in.at:])
	in.at += n
	return n, nil
}

func (in *intake) buffered() int {
	if in.buf == nil {
		return 0
	}
	return len(*in.buf) - in.at
}

// fill waits until there is more to take.
func (in *intake) fill() error {
	in.giveBack()
	if in.raw == nil {
		in.room()
		n, err := in.conn.Read((*in.buf)[len(*in.buf):cap(*in.buf)])
		*in.buf = (*in.buf)[:len(*in.buf)+n]
		if n > 0 {
			return nil
		}
		return err
	}
	in.got, in.err = 0, nil
	err := in.raw.Read(in.read)
	in.giveBack()
	switch {
	case err != nil:
		return err
	case in.err != nil:
		return in.err
	case in.got == 0:
		return io.EOF
	}
	return nil
}

// attempt reads what is there; false has the connection wait for more.
func (in *intake) attempt(fd uintptr) bool {
	in.room()
	n, again, err := readNow(fd, (*in.buf)[len(*in.buf):cap(*in.buf)])
	if again {
		in.giveBack()
		return false
	}
	in.got, in.err = max(n, 0), err
	*in.buf = (*in.buf)[:len(*in.buf)+in.got]
	return true
}

// room makes sure that there is a buffer with room in it.
func (in *intake) room() {
	if in.buf == nil && in.raw == nil { // it waits with the buffer in its hand
		own := make([]byte, 0, waitingBuffer)
		in.buf = &own
	}
	if in.buf == nil {
		in.buf, in.at = in.buffers.get(0), 0
		return
	}
	if in.at > 0 {
		*in.buf = (*in.buf)[:copy(*in.buf, (*in.buf)[in.at:])]
		in.at = 0
	}
}

// giveBack lets go of a buffer that has nothing to take.
func (in *intake) giveBack() {
	if in.buf != nil && in.raw != nil && in.buffered() == 0 {
		in.buffers.put(in.buf)
		in.buf, in.at = nil, 0
	}
}

// close lets go of whatever is left.
func (in *intake) close() {
	if in.buf != nil {
		in.at = len(*in.buf)
		in.giveBack()
	}
}
