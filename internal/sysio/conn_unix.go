//go:build unix

package sysio

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Conn returns a TCP connection that reads and writes as this package does, and is what it was in all else. A
// connection of another kind is returned as it is.
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
	for {
		n, failed := Read(fd, t.buf)
		switch failed {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case 0:
			t.n = n
		default:
			t.err = failed
		}
		return true
	}
}

// write writes until all is written.
func (t *transfer) write(fd uintptr) (done bool) {
	for t.n < len(t.buf) {
		n, failed := Write(fd, t.buf[t.n:])
		switch failed {
		case 0:
			t.n += n
		case syscall.EINTR:
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
func (t *transfer) run(name string, b []byte, wait func(func(uintptr) bool) error) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf, t.n, t.err = b, 0, 0
	err := wait(t.step)
	t.buf = nil
	if err == nil && t.err != 0 {
		err = &net.OpError{Op: name, Net: "tcp", Err: os.NewSyscallError(name, t.err)}
	}
	return t.n, err
}

// Read implements [net.Conn].
func (c *tcp) Read(b []byte) (int, error) {
	n, err := c.in.run("read", b, c.raw.Read)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements [net.Conn].
func (c *tcp) Write(b []byte) (int, error) { return c.out.run("write", b, c.raw.Write) }

// SyscallConn implements [syscall.Conn].
func (c *tcp) SyscallConn() (syscall.RawConn, error) { return watched{c.raw}, nil }

// watched is for go-redis, which looks at a connection before each use of it, whether it was closed meanwhile.
type watched struct{ syscall.RawConn }

// Read calls f, unless the connection is open and has nothing to read.
func (w watched) Read(f func(fd uintptr) (done bool)) error {
	return w.RawConn.Read(func(fd uintptr) bool { return idle(fd) || f(fd) })
}
