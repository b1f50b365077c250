//go:build unix

package handlers

import (
	"net"
	"sync"
	"syscall"

	"github.com/fiberflow/flow/internal/sysio"
)

// attempt is one write to a connection that does not wait. They are lent, so that a write allocates
// nothing.
type attempt struct {
	buf   []byte
	n     int
	err   syscall.Errno
	write func(fd uintptr) bool // of the attempt itself, made once
}

// attempts lends attempts.
type attempts struct{ pool sync.Pool }

func newAttempts() *attempts {
	return &attempts{pool: sync.Pool{New: func() any {
		a := &attempt{}
		a.write = func(fd uintptr) bool {
			a.n, a.err = sysio.Write(fd, a.buf)
			return true
		}
		return a
	}}}
}

// try writes as much of b as the connection takes at once.
func (as *attempts) try(raw syscall.RawConn, b []byte) (n int, err error) {
	a := as.pool.Get().(*attempt) //nolint:forcetypeassert // the pool has no other
	a.buf = b
	err = raw.Write(a.write)
	switch {
	case err != nil || a.err == syscall.EAGAIN:
	case a.err != 0:
		err = a.err
	default:
		n = a.n
	}
	a.buf, a.n, a.err = nil, 0, 0
	as.pool.Put(a)
	return n, err
}

// rawOf returns the way past Go's waiting writes; nil for a connection that has none, like one with TLS.
func rawOf(conn net.Conn) syscall.RawConn {
	if wrapped, ok := conn.(interface{ UnsafeConn() net.Conn }); ok { // fasthttp's, around the real one
		conn = wrapped.UnsafeConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readNow reads what is there; again is true when that is nothing.
func readNow(fd uintptr, b []byte) (n int, again bool, err error) {
	n, failed := sysio.Read(fd, b)
	switch failed {
	case 0:
		return n, false, nil
	case syscall.EAGAIN:
		return 0, true, nil
	default:
		return 0, false, failed
	}
}
