package handlers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A client may be slow for ever, as long as it takes a byte within ten seconds.
func TestPipe_Send_slowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		p := &pipe{conn: server}
		message := []byte("a message that takes its time")
		received := make(chan []byte)
		go func() { // ends with the message
			var got []byte
			for len(got) < len(message) {
				<-time.After(9 * time.Second)
				var one [1]byte
				if _, err := client.Read(one[:]); err != nil {
					break
				}
				got = append(got, one[0])
			}
			received <- got
		}()
		start := time.Now()
		if err := p.send(message); err != nil {
			t.Errorf("send failed after %v: %v", time.Since(start), err)
		}
		if got := <-received; !bytes.Equal(got, message) {
			t.Errorf("received %q", got)
		}
	})
}

// A client that takes nothing for ten seconds is given up, its reader is stopped, and nothing more is
// written behind the frame that was cut.
func TestPipe_Send_stalledReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		p := &pipe{conn: server}
		read := make(chan error, 1)
		go func() { // ends when the pipe is cut
			_, err := server.Read(make([]byte, 1))
			read <- err
		}()
		start := time.Now()
		if err := p.send([]byte("x")); err == nil {
			t.Fatal("send succeeded")
		}
		if waited := time.Since(start); waited < patience || waited > patience+2*coarse {
			t.Errorf("gave up after %v", waited)
		}
		if err := <-read; !isTimeout(err) {
			t.Errorf("reader: %v", err)
		}
		p.finish([]byte("goodbye"))
		if waited := time.Since(start); waited > patience+2*coarse {
			t.Errorf("the goodbye took until %v", waited)
		}
		go func() { _ = server.Close() }() // ends at once
		if left, err := io.ReadAll(client); err != nil || len(left) > 0 {
			t.Errorf("read %q, %v after the cut", left, err)
		}
	})
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// hurriedConn keeps how long its last write deadline was.
type hurriedConn struct {
	net.Conn

	left atomic.Int64
}

func (c *hurriedConn) SetWriteDeadline(at time.Time) error {
	c.left.Store(int64(time.Until(at)))
	return c.Conn.SetWriteDeadline(at)
}

// A goodbye does not wait for a writer that is stuck: it gives it less than a second.
func TestPipe_Finish_behindABlockedWrite(t *testing.T) {
	server, client := net.Pipe()
	defer client.Close() //nolint:errcheck // the test is over
	conn := &hurriedConn{Conn: server}
	p := &pipe{conn: conn}
	writing, failed := make(chan struct{}), make(chan error)
	go func() { // ends when the goodbye hurries it
		p.out.Lock()
		defer p.out.Unlock()
		close(writing)
		failed <- p.send([]byte("nobody reads this"))
	}()
	<-writing
	finished := make(chan struct{})
	go func() { // ends with the write
		defer close(finished)
		p.finish([]byte("goodbye"))
	}()
	if err := <-failed; !isTimeout(err) {
		t.Errorf("write: %v", err)
	}
	<-finished
	if left := time.Duration(conn.left.Load()); left > time.Second {
		t.Errorf("the writer was given %v", left)
	}
}

// After a goodbye no deadline is extended any more, so the reader ends.
func TestPipe_Extend_afterFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		p := &pipe{conn: server}
		p.extend(time.Hour)
		go func() { _, _ = io.Copy(io.Discard, client) }() // ends when the server's end is closed
		p.finish([]byte("goodbye"))
		p.extend(time.Hour)
		start := time.Now()
		if _, err := server.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("read: %v", err)
		}
		if waited := time.Since(start); waited > parting {
			t.Errorf("the reader waited %v", waited)
		}
		_ = server.Close()
	})
}

// Who still holds a released pipe reaches nobody.
func TestPipe_Release(t *testing.T) {
	server, client := net.Pipe()
	p := &pipe{conn: server}
	p.release()
	if err := p.send([]byte("x")); !errors.Is(err, errGone) {
		t.Errorf("send: %v", err)
	}
	p.finish([]byte("x"))
	p.extend(time.Hour)
	p.stopReading(0)
	go func() { _ = server.Close() }() // ends at once
	if got, err := io.ReadAll(client); err != nil || len(got) > 0 {
		t.Errorf("read %q, %v", got, err)
	}
}

// Frames of any size pass through a buffer of one size, whole and in order.
func TestPacker_Add_sizes(t *testing.T) {
	server, client := net.Pipe()
	p := &pipe{conn: server}
	var want []byte
	pack := packer{pipe: p, buf: make([]byte, 0, 64)}
	written := make(chan error, 1)
	pieces := [][]byte{}
	for size := range 200 {
		piece := bytes.Repeat([]byte{byte(size)}, size)
		pieces = append(pieces, piece)
		want = append(want, piece...)
	}
	go func() { // ends with the last piece
		for _, piece := range pieces {
			pack.add(piece)
		}
		err := pack.flush()
		_ = server.Close()
		written <- err
	}()
	got, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("bytes were lost or moved")
	}
}

// What the server frames, a client's library reads: all three widths of the length.
func TestAppendHeader(t *testing.T) {
	cases := map[int][]byte{
		0:       {0x81, 0},
		125:     {0x81, 125},
		126:     {0x81, 126, 0, 126},
		65535:   {0x81, 126, 0xff, 0xff},
		65536:   {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
		1 << 32: {0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0},
	}
	for size, want := range cases {
		if got := appendHeader(nil, 1, size); !bytes.Equal(got, want) {
			t.Errorf("%d: % x, want % x", size, got, want)
		}
	}
	if got, want := closeFrame(1012), []byte{0x88, 2, 0x03, 0xf4}; !bytes.Equal(got, want) {
		t.Errorf("close frame % x, want % x", got, want)
	}
	if got, want := closeFrame(1005), []byte{0x88, 0}; !bytes.Equal(got, want) {
		t.Errorf("close frame % x, want % x", got, want)
	}
}

// A goodbye does not overtake the answer to the upgrade, which comes once.
func TestPipe_Finish_answersFirst(t *testing.T) {
	server, client := net.Pipe()
	p := &pipe{conn: server, hello: []byte("hello, ")}
	go func() { // ends with the goodbye
		p.finish([]byte("goodbye"))
		p.finish([]byte("."))
		_ = server.Close()
	}()
	if got, err := io.ReadAll(client); err != nil || string(got) != "hello, goodbye." {
		t.Errorf("read %q, %v", got, err)
	}
}
