package handlers

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// patience is how long a client may not take a byte.
	patience = 10 * time.Second
	// coarse is how precise deadlines are: setting one costs as much as a small write.
	coarse = time.Second
	// parting is how long a client has to answer a goodbye.
	parting = 300 * time.Millisecond
	// lastWrite bounds the goodbye itself.
	lastWrite = 500 * time.Millisecond
)

// errGone: the connection cannot be written to any more.
var errGone = errors.New("connection is gone")

// pipe is the server's end of one client's connection. Fiber takes connections back when their handler
// returns, and uses the same objects for other clients. So nothing but the pipe holds the connection,
// and after release it holds it no more: a late writer writes to nobody.
//
// A connection of Fiber cannot be closed, only left: whoever wants the reader to stop ends its deadline.
type pipe struct {
	out      sync.Mutex      // held while writing; taken before mu, and guards the next two
	hello    []byte          // of the upgrade; goes ahead of everything, with what is written first
	rest     []byte          // what a push has left
	raw      syscall.RawConn // of conn; nil when writes can only wait
	attempts *attempts

	mu        sync.Mutex
	conn      net.Conn  // nil after release
	refreshed time.Time // when the write deadline was set
	hurried   bool      // the write deadline is final
	closing   bool      // the read deadline is final, or about to be
	finished  bool      // a goodbye was written, or tried
	broken    bool      // a frame was cut, so nothing may follow it
}

// send writes b. As long as the client takes something it has time: only a whole deadline without a
// byte is an error. The caller holds out.
func (p *pipe) send(b []byte) error {
	for {
		conn, err := p.writable()
		if err != nil {
			return err
		}
		n, err := conn.Write(b)
		if err == nil {
			return nil
		}
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			p.cut()
			return err
		}
		b = b[n:]
	}
}

// writable returns the connection, with time to write.
func (p *pipe) writable() (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil || p.broken {
		return nil, errGone
	}
	now := time.Now()
	if p.hurried || now.Sub(p.refreshed) < coarse {
		return p.conn, nil
	}
	p.refreshed = now
	return p.conn, p.conn.SetWriteDeadline(now.Add(patience + coarse))
}

// cut ends a connection that does not take what is written: no goodbye would arrive.
func (p *pipe) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	p.stopReadingLocked(0)
}

// hurry gives writes, also the one under way, no more than d.
func (p *pipe) hurry(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurried = true
	if p.conn != nil {
		_ = p.conn.SetWriteDeadline(time.Now().Add(d)) // fails on a connection that is gone, which is fine
	}
}

// finish writes a goodbye and makes the reader stop soon.
func (p *pipe) finish(goodbye []byte) {
	p.mu.Lock()
	p.closing, p.finished = true, true // before the client can answer
	p.mu.Unlock()
	p.hurry(lastWrite)

	p.out.Lock()
	defer p.out.Unlock()
	wait := parting
	goodbye = append(p.hello, goodbye...)
	p.hello = nil
	if len(p.rest) > 0 || p.send(goodbye) != nil { // nothing may stand inside a frame
		wait = 0
	}
	p.stopReading(wait)
}

// parted reports whether a goodbye was written, or tried.
func (p *pipe) parted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.finished
}

// stopReading gives the reader no more than wait.
func (p *pipe) stopReading(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopReadingLocked(wait)
}

func (p *pipe) stopReadingLocked(wait time.Duration) {
	p.closing = true
	if p.conn != nil {
		_ = p.conn.SetReadDeadline(time.Now().Add(wait)) // fails on a connection that is gone, which is fine
	}
}

// extend lets the reader wait for d from now, unless it shall stop.
func (p *pipe) extend(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing && p.conn != nil {
		_ = p.conn.SetReadDeadline(time.Now().Add(d)) // the next read tells
	}
}

// stopping reports whether the reader shall stop.
func (p *pipe) stopping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closing
}

// release lets go of the connection. It waits for a writer, which has to be hurried before.
func (p *pipe) release() {
	p.out.Lock()
	defer p.out.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = nil
}
