package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// handshake is all of a request that the server looks at. The key is no secret, and nobody here checks
// the answer to it.
const handshake = "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bG9hZCBnZW5lcmF0b3IuLg==\r\n" +
	"Sec-WebSocket-Protocol: flow.v1\r\n\r\n"

// joinTimeout bounds a handshake together with the wait for joined.
const joinTimeout = 15 * time.Second

// errEnded is a connection that the server ended.
var errEnded = errors.New("the connection ended before joined")

// client is one user: a socket that has joined one room. A goroutine of its own reads from the
// handshake to the end of the connection.
type client struct {
	crowd *Crowd
	room  *room
	addr  string
	conn  net.Conn // nil before join, and when that failed

	out sync.Mutex // guards what follows
	buf []byte     // of the next frame
	n   uint64     // of the session's last operation

	in       inbox // the reader's
	opPrefix []byte
	seq      atomic.Uint64 // of the last operation received
	joined   chan error    // holds one
	leaving  atomic.Bool
	ended    chan struct{} // closed when nobody reads any more

	own   []byte // what follows the hash in operations of its own; the reader's
	asked asked  // while the crowd tells phases apart
}

func newClient(c *Crowd, r *room, addr string) *client {
	return &client{
		crowd: c, room: r, addr: addr, opPrefix: []byte(`{"type":"op","room":"` + r.id + `","seq":`),
		joined: make(chan error, 1), ended: make(chan struct{}),
	}
}

// join connects, joins the room, and returns when the server has said joined.
func (c *client) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	if err := c.dial(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c.crowd.readers.Go(c.read) // until the connection ends; close sees to that
	err := c.send(textFrame, c.appendJoin)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	select {
	case err = <-c.joined:
	case <-c.ended:
		err = errEnded
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}

func (c *client) appendJoin(buf []byte) []byte {
	buf = append(append(buf, `{"type":"join","id":"1","room":"`...), c.room.id...)
	return append(buf, `"}`...)
}

// dial opens the connection, up to the answer to the handshake.
func (c *client) dial(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	c.in = inbox{src: conn, buf: make([]byte, 2048)}
	if err := c.upgrade(ctx, conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	c.conn = conn
	return nil
}

func (c *client) upgrade(ctx context.Context, conn net.Conn) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, handshake, c.crowd.config.Path, c.addr); err != nil {
		return err
	}
	var answer []byte
	for end := -1; end < 0; end = bytes.Index(answer, []byte("\r\n\r\n")) {
		var err error
		if answer, err = c.in.peek(len(answer) + 1); err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("answer %q", answer)
	}
	c.in.from += len(answer)
	return conn.SetDeadline(time.Time{})
}

// send writes one frame, whose payload fill appends.
func (c *client) send(kind byte, fill func(buf []byte) []byte) error {
	c.out.Lock()
	defer c.out.Unlock()
	return c.sendLocked(kind, fill)
}

func (c *client) sendLocked(kind byte, fill func(buf []byte) []byte) error {
	var header [headerRoom]byte
	c.buf = fill(append(c.buf[:0], header[:]...))
	if len(c.buf) > headerRoom+maxPayload {
		return fmt.Errorf("a message of %d bytes", len(c.buf)-headerRoom)
	}
	_, err := c.conn.Write(sealFrame(c.buf, kind))
	return err
}

// operate sends the session's next operation. Its data is the object of a merge patch.
func (c *client) operate(padding string) error {
	c.out.Lock()
	defer c.out.Unlock()
	c.n++
	if phase := c.crowd.phase.Load(); phase != nil {
		c.asked.ask(c.n, phase)
	}
	return c.sendLocked(textFrame, func(buf []byte) []byte {
		buf = append(append(buf, `{"type":"op","room":"`...), c.room.id...)
		buf = strconv.AppendUint(append(buf, `","n":`...), c.n, 10)
		buf = strconv.AppendInt(append(buf, `,"data":{"sent":`...), int64(c.crowd.now()), 10)
		return append(append(append(buf, `,"text":"`...), padding...), `"}}`...)
	})
}

// close ends the connection as a client does that vanishes, and waits for the reader. It may be called
// twice.
func (c *client) close() {
	c.leaving.Store(true)
	if c.conn == nil {
		return
	}
	_ = c.conn.Close() // the second time it was closed already
	<-c.ended
}
