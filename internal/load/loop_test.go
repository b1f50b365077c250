//go:build linux

package load // what a server does wrong is easier said than done

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// listen is a server that upgrades every connection, without looking at it, and then hands it over.
func listen(tb testing.TB, serve func(conn net.Conn)) (addr string) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	var conns []net.Conn // the collector would close them
	go func() {          // until the listener is closed
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 4096)
			n := 0
			for !bytes.Contains(request[:n], []byte("\r\n\r\n")) && err == nil {
				var more int
				more, err = conn.Read(request[n:])
				n += more
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			serve(conn)
			conns = append(conns, conn)
		}
	}()
	tb.Cleanup(func() {
		_ = listener.Close()
		<-ended
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	return listener.Addr().String()
}

const joinedText = `{"type":"joined","id":"1","room":"r","session":"s","resume":"t","resumed":false,"n":0,` +
	`"position":"0:0000000000000000"}`

// newFleetOfOne returns a user that is not connected.
func newFleetOfOne(tb testing.TB, addr string) *Fleet {
	tb.Helper()
	f, err := NewFleet(FleetConfig{Addrs: []string{addr}, Users: 1, Rooms: 1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(f.Close)
	return f
}

// Messages are heard one by one: alone, in an array, in pieces, in a frame that is longer than all before;
// each with its author and age.
func TestFleet_Heard(t *testing.T) {
	const op = `{"type":"op","room":"r","seq":1,"hash":"h","session":"~s","n":1,"user":"~","time":1,` +
		`"data":{"~":0,"u":7,"text":"xx"}}`
	array := "[" + op + "," + op + "]"
	long := "[" + op + string(bytes.Repeat([]byte{' '}, 700_000)) + "," + op + "]"
	presence := `{"type":"presence","room":"r","update":{"a":{"cursor":{"~":0,"u":7,"x":1}},` +
		`"b":{"cursor":{"~":0,"u":7}}}}`
	list := `{"type":"presence","room":"r","reset":true,"join":[` + op + `]}`
	stream := serverFrame(textFrame, []byte(joinedText))
	for _, text := range []string{op, array, "[]", long, presence, list} {
		stream = append(stream, serverFrame(textFrame, []byte(text))...)
	}
	addr := listen(t, func(conn net.Conn) {
		for i := 0; i < len(stream); i += 1000 {
			_, _ = conn.Write(stream[i:min(i+1000, len(stream))])
		}
	})
	f := newFleetOfOne(t, addr)
	count := 0
	f.Heard = func(u *User, author int, age time.Duration) {
		if u.Number != 0 || author != 7 || age <= 0 || age > f.Now() {
			t.Errorf("user %d heard %d, of age %v", u.Number, author, age)
		}
		count++
	}
	if err := f.Join(f.Users()); err != nil {
		t.Fatal(err)
	}
	if err := f.Until("messages", time.Minute, func() bool { return count == 7 }); err != nil {
		t.Errorf("%d messages: %v", count, err)
	}
	if err := f.Settle(); err != nil || count != 7 {
		t.Errorf("%d messages: %v", count, err)
	}
}

// A word that a healthy server does not say is a fault, and so is a connection that ends.
func TestFleet_Faults(t *testing.T) {
	for name, frame := range map[string][]byte{
		"nack":       serverFrame(textFrame, []byte(`{"type":"nack","room":"r","n":1,"code":"gap","last":0}`)),
		"no JSON":    serverFrame(textFrame, []byte(`nonsense`)),
		"close":      serverFrame(closeFrame, []byte{3, 232}),
		"broken":     {textFrame, 0},
		"hanging up": nil,
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, func(conn net.Conn) {
				_, _ = conn.Write(append(serverFrame(textFrame, []byte(joinedText)), frame...))
				if frame == nil {
					_ = conn.Close()
				}
			})
			f := newFleetOfOne(t, addr)
			err := f.Join(f.Users())
			if err == nil {
				err = f.Until("a fault", time.Minute, func() bool { return f.Err() != nil })
			}
			if err == nil {
				t.Error("no fault")
			}
		})
	}
}

// A server that refuses the upgrade, and one that is not there, are errors.
func TestFleet_Join_Refused(t *testing.T) {
	if err := newFleetOfOne(t, "127.0.0.1:1").Join(nil); err != nil {
		t.Errorf("nobody could not join: %v", err)
	}
	f := newFleetOfOne(t, "127.0.0.1:1")
	if err := f.Join(f.Users()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Join = %v, want a refused connection", err)
	}
	for _, addr := range []string{"192.0.2.1:80", "localhost:80", ""} {
		if f, err := NewFleet(FleetConfig{Addrs: []string{addr}, Users: 1, Rooms: 1}); err == nil {
			f.Close()
			t.Errorf("NewFleet takes the address %q", addr)
		}
	}
}
