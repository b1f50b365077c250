package handlers_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

// A reader of a stream has nothing to say: one that talks on loses it, and so costs no more than what it
// has sent.
func TestStream_Hostile_talkative(t *testing.T) {
	s := start(t, options{hub: anonymous})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /collab/rooms/r/stream HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is over
	(&stream{lines: bufio.NewReader(response.Body)}).await(t, "joined")
	for err == nil { // until the server has had enough
		_, err = conn.Write(bytes.Repeat([]byte("x"), 1024))
	}
	eventually(t, "the stream is gone", func() bool { return s.hub.Stats().Connections == 0 })
}

// What a client sends in one breath with its handshake is read like what comes later, whichever way Fiber
// keeps its memory.
func TestSocket_Upgrade_earlyFrames(t *testing.T) {
	for _, config := range []fiber.Config{{}, {ReduceMemoryUsage: true}, {ReadBufferSize: 64 << 10}} {
		s := start(t, options{hub: anonymous, fiber: config})
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the test is over
		var early []byte
		early = append(early, "GET /collab/ws HTTP/1.1\r\nHost: x\r\n"+upgradeHeader+"\r\n"...)
		early = append(early, masked(0x81, []byte(`{"type":"ping","id":"early"}`))...)
		early = append(early, masked(0x01, []byte(strings.Repeat(" ", 20_000)))...)
		if _, err := conn.Write(early); err != nil {
			t.Fatal(err)
		}
		raw := &rawSocket{Conn: conn, in: bufio.NewReader(conn)}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := http.ReadResponse(raw.in, nil); err != nil {
			t.Fatal(err)
		}
		raw.awaitText(t, `"early"`)
		raw.write(t, masked(0x80, []byte(`{"type":"ping","id":"late"}`)))
		raw.awaitText(t, `"late"`)
	}
}
