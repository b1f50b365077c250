package handlers_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// A client that does not say who it is costs next to nothing until it is closed: the bound is generous, what
// a socket takes is in the log of the test. Beyond the quota the oldest goes.
func TestSocket_Upgrade_strangers(t *testing.T) {
	const many, kilobytes = 1000, 64
	s := start(t, options{hub: func(c *flow.Config) {
		c.AuthTimeout, c.Quotas.Unauthenticated = time.Hour, many
	}})
	cookie := "session=" + strings.Repeat("c", 400)
	s.dialRaw(t, "Cookie", cookie).awaitFrame(t, 0x81) // what the first one takes is the server's
	used := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before := used()
	conns := make([]net.Conn, many-1)
	for i := range conns {
		conns[i] = dialStranger(t, s, cookie)
	}
	eventually(t, "all of them are open", func() bool { return s.hub.Stats().Connections == many })
	each := (used() - before) / int64(len(conns)) / 1024
	t.Logf("%d KiB a socket, with the client's side of it", each)
	if each > kilobytes {
		t.Errorf("%d KiB a socket", each)
	}
}

// dialStranger opens a socket and reads nothing of what comes.
func dialStranger(t *testing.T, s *server, cookie string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "GET "+strings.TrimPrefix(s.base, "http://"+s.addr)+"/ws HTTP/1.1\r\nHost: x\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: "+cookie+"\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Who is one too many among those that have not said who they are takes the place of the oldest, which is
// told to come back; who has said it keeps its place.
func TestSocket_Upgrade_oldestStranger(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.AuthTimeout, c.Quotas.Unauthenticated = time.Hour, 2 }})
	known := s.dial(t, "")
	known.send(t, `{"type":"auth","id":"1","token":"as-ann"}`)
	known.await(t, "ok")
	oldest := s.dial(t, "")
	oldest.await(t, "welcome")
	second := s.dial(t, "")
	second.await(t, "welcome")
	third := s.dial(t, "")
	third.await(t, "welcome")
	oldest.wantClose(t, flow.ByeOverloaded, flow.ByeOverloaded.CloseCode())
	for _, ws := range []*socket{known, second, third} {
		ws.send(t, `{"type":"ping","id":"1"}`)
		ws.await(t, "pong")
	}
	s.call(t, http.MethodGet, "/health/live", "", "").wantStatus(t, http.StatusOK)
}
