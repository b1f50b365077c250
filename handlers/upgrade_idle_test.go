package handlers_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
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
	before := memoryInUse()
	for range many - 1 {
		ask(t, s, "/ws", upgradeHeader+"Cookie: "+cookie+"\r\n", "")
	}
	eventually(t, "all of them are open", func() bool { return s.hub.Stats().Connections == many })
	each := (memoryInUse() - before) / (many - 1) / 1024
	t.Logf("%d KiB a socket, with the client's side of it", each)
	if each > kilobytes {
		t.Errorf("%d KiB a socket", each)
	}
}

func memoryInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// A body that comes with a request for a socket or a stream is not kept as long as those live.
func TestSocket_Upgrade_body(t *testing.T) {
	const many, size = 32, 1 << 20
	s := start(t, options{hub: anonymous})
	length := "Content-Length: " + strconv.Itoa(size) + "\r\n"
	body := strings.Repeat("b", size)
	form := "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n" + body[:size-64] + "\r\n--x--\r\n"
	for what, open := range map[string]func(){
		"sockets": func() { ask(t, s, "/ws", upgradeHeader+length, body) },
		"streams": func() { ask(t, s, "/rooms/r/stream", length, body) },
		"forms": func() {
			ask(t, s, "/ws", upgradeHeader+"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: "+
				strconv.Itoa(len(form))+"\r\n", form)
		},
	} {
		before := memoryInUse()
		connections := s.hub.Stats().Connections
		for range many {
			open()
		}
		eventually(t, "all "+what+" are open", func() bool { return s.hub.Stats().Connections == connections+many })
		if kept := memoryInUse() - before; kept > many*size/2 {
			t.Errorf("%d %s with a body of %d bytes keep %d bytes", many, what, size, kept)
		}
	}
}

const upgradeHeader = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// ask sends a request with some header lines and a body, and reads nothing of what comes.
func ask(t *testing.T, s *server, path, header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	path = strings.TrimPrefix(s.base, "http://"+s.addr) + path
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+header+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
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
