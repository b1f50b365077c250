//go:build unix

package sysio_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/sysio"
)

// pair returns the two ends of a TCP connection; the first is this package's.
func pair(t *testing.T) (ours net.Conn, other *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	ours = sysio.Conn(plain)
	if ours == plain {
		t.Fatal("a TCP connection is returned as it is")
	}
	t.Cleanup(func() {
		_ = ours.Close()
		_ = other.Close()
	})
	return ours, other
}

// All bytes arrive as they are, in both directions at once, also when the buffers of the kernel are full.
func TestConn_Both(t *testing.T) {
	ours, other := pair(t)
	sent := make([]byte, 8<<20)
	_, _ = rand.Read(sent)
	var running sync.WaitGroup
	for _, way := range []struct{ from, to net.Conn }{{ours, other}, {other, ours}} {
		running.Go(func() {
			if n, err := way.from.Write(sent); n != len(sent) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
		})
		running.Go(func() {
			got := make([]byte, len(sent))
			if n, err := io.ReadFull(way.to, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("read %d, %v, equal %v", n, err, bytes.Equal(got, sent))
			}
		})
	}
	running.Wait()
	if n, err := ours.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
	if n, err := ours.Write(nil); n != 0 || err != nil {
		t.Errorf("writing nothing: %d, %v", n, err)
	}
}

// Deadlines end a read that waits, and a write that the other side does not take; what was written is told.
func TestConn_Deadlines(t *testing.T) {
	ours, other := pair(t)
	_ = ours.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := ours.Read(make([]byte, 1))
	timeout, isNet := errors.AsType[net.Error](err)
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !isNet || !timeout.Timeout() {
		t.Errorf("Read: %d, %v", n, err)
	}
	_ = ours.SetReadDeadline(time.Time{})
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := ours.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("Read after the deadline was taken away: %d, %v", n, err)
	}

	const much = 64 << 20 // more than the kernel takes
	wrote, ended := 0, make(chan error)
	go func() { // ends by the deadline
		n, err := ours.Write(make([]byte, much))
		wrote = n
		ended <- err
	}()
	if _, err := io.ReadFull(other, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = ours.SetWriteDeadline(time.Unix(1, 0))
	if err := <-ended; wrote == 0 || wrote == much || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %d, %v", wrote, err)
	}
	_ = ours.Close()
	if got, _ := io.Copy(io.Discard, other); got+1 != int64(wrote) {
		t.Errorf("%d bytes arrived of %d that were written", got+1, wrote)
	}
}

// The end of the other side is io.EOF, its reset and our own end are errors that say so.
func TestConn_Ends(t *testing.T) {
	ours, other := pair(t)
	_ = other.CloseWrite()
	if n, err := ours.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // by contract it is this one
		t.Errorf("Read at the end: %d, %v", n, err)
	}

	ours, other = pair(t)
	_ = other.SetLinger(0)
	_ = other.Close()
	_, err := ours.Read(make([]byte, 1))
	if op, ok := errors.AsType[*net.OpError](err); !errors.Is(err, syscall.ECONNRESET) || !ok || op.Op != "read" {
		t.Errorf("Read after a reset: %v", err)
	}
	if _, err := ours.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write after a reset: %v", err)
	}

	ours, _ = pair(t)
	ended := make(chan error)
	go func() { // ends with the connection
		_, err := ours.Read(make([]byte, 1))
		ended <- err
	}()
	_ = ours.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read while it is closed: %v", err)
	}
}

// A look at a connection with nothing to read may be spared; one that was closed, or has something, is looked at.
func TestConn_Look(t *testing.T) {
	ours, other := pair(t)
	looked := func() (looked bool) {
		holder, ok := ours.(syscall.Conn)
		if !ok {
			t.Fatal("the connection has no descriptor")
		}
		raw, err := holder.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Read(func(uintptr) bool { looked = true; return true }); err != nil {
			t.Fatal(err)
		}
		return looked
	}
	looked()
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	arrives(t, looked)
	if n, err := ours.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("Read after the look: %d, %v", n, err)
	}
	_ = other.Close()
	arrives(t, looked)
}

// arrives polls, because loopback may take a moment.
func arrives(t *testing.T, looked func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !looked() {
		if time.Now().After(deadline) {
			t.Fatal("not looked at")
		}
		<-tick.C
	}
}

// What is no TCP connection stays what it is.
func TestConn_Other(t *testing.T) {
	one, other := net.Pipe()
	defer func() { _, _ = one.Close(), other.Close() }()
	if got := sysio.Conn(one); got != one {
		t.Errorf("it became %T", got)
	}
}

// A read and a write allocate nothing.
func TestConn_Allocations(t *testing.T) {
	ours, other := pair(t)
	b := []byte("some bytes")
	into := make([]byte, len(b))
	if n := testing.AllocsPerRun(100, func() {
		_, _ = ours.Write(b)
		_, _ = other.Read(into)
		_, _ = other.Write(b)
		_, _ = ours.Read(into)
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
