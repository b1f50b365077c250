//go:build unix

package sysio

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// atOnce is the most bytes of one call: what takes longer would hold up a stop of the world.
const atOnce = 256 << 10

// Conn returns a TCP connection that reads and writes as this package does. A raw read of it does not wait, and
// calls nothing back, when there is nothing to read. A connection of another kind is returned as it is.
func Conn(conn net.Conn) net.Conn {
	plain, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return conn
	}
	c := &tcp{TCPConn: plain, raw: raw}
	c.in.step, c.out.step = c.in.read, c.out.write // made once, so that a transfer allocates nothing
	return c
}

// tcp is a TCP connection.
type tcp struct {
	*net.TCPConn

	raw     syscall.RawConn
	in, out transfer
}

// transfer is one read or write, and lets the next one wait.
type transfer struct {
	mu   sync.Mutex
	buf  []byte
	n    int
	err  syscall.Errno
	step func(fd uintptr) (done bool)
}

// read takes what is there.
func (t *transfer) read(fd uintptr) (done bool) {
	n, failed := Read(fd, t.buf[:min(atOnce, len(t.buf))])
	switch failed {
	case 0:
		t.n = n
	case syscall.EAGAIN:
		return false
	default:
		t.err = failed
	}
	return true
}

// write writes until all is written.
func (t *transfer) write(fd uintptr) (done bool) {
	for t.n < len(t.buf) {
		n, failed := Write(fd, t.buf[t.n:min(t.n+atOnce, len(t.buf))])
		switch failed {
		case 0:
			t.n += n
		case syscall.EAGAIN:
			return false
		default:
			t.err = failed
			return true
		}
	}
	return true
}

// run moves the bytes of b by a function of a raw connection that waits between steps.
func (t *transfer) run(b []byte, wait func(func(uintptr) bool) error) (int, syscall.Errno, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf, t.n, t.err = b, 0, 0
	err := wait(t.step)
	t.buf = nil
	return t.n, t.err, err
}

// Read implements [net.Conn].
func (c *tcp) Read(b []byte) (int, error) {
	n, failed, err := c.in.run(b, c.raw.Read)
	switch {
	case err != nil:
	case failed != 0:
		err = c.failure("read", failed)
	case n == 0 && len(b) > 0:
		err = io.EOF
	}
	return n, err
}

// Write implements [net.Conn].
func (c *tcp) Write(b []byte) (int, error) {
	n, failed, err := c.out.run(b, c.raw.Write)
	if err == nil && failed != 0 {
		err = c.failure("write", failed)
	}
	return n, err
}

func (c *tcp) failure(call string, err syscall.Errno) error {
	return &net.OpError{
		Op: call, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(call, err),
	}
}

// SyscallConn implements [syscall.Conn].
func (c *tcp) SyscallConn() (syscall.RawConn, error) { return watched{c.raw}, nil }

// watched is for go-redis, which looks at a connection before each use of it, whether it was closed meanwhile.
type watched struct{ syscall.RawConn }

// Read calls f, unless the connection is open and has nothing to read.
func (w watched) Read(f func(fd uintptr) (done bool)) error {
	return w.RawConn.Read(func(fd uintptr) bool { return idle(fd) || f(fd) })
}
