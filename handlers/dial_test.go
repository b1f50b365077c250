package handlers_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// socket is a client's end of a WebSocket.
type socket struct {
	*websocket.Conn
	queue []msg // of an array that was not read to its end
}

// dial opens a socket as the user of the token, which goes as a sub-protocol; "" for nobody.
func (s *server) dial(t testing.TB, token string) *socket {
	t.Helper()
	protocols := []string{flow.Protocol}
	if token != "" {
		protocols = append(protocols, "flow.bearer."+token)
	}
	c, response, err := s.handshake(protocols, nil)
	if err != nil {
		t.Fatalf("handshake: %v (%v)", err, response)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// handshake tries to open a socket.
func (s *server) handshake(protocols []string, header http.Header) (*socket, *http.Response, error) {
	dialer := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: protocols}
	c, response, err := dialer.Dial("ws"+strings.TrimPrefix(s.base, "http")+"/ws", header)
	if err != nil {
		return nil, response, err
	}
	return &socket{Conn: c}, response, nil
}

// join opens a socket that has joined the room.
func (s *server) join(t testing.TB, token, room string) *socket {
	t.Helper()
	c := s.dial(t, token)
	c.await(t, "welcome")
	c.send(t, fmt.Sprintf(`{"type":"join","id":"j","room":%q}`, room))
	c.await(t, "joined")
	return c
}

func (c *socket) send(t testing.TB, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// next returns the next message.
func (c *socket) next() (msg, error) {
	for len(c.queue) == 0 {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return nil, err
		}
		_, text, err := c.ReadMessage()
		if err != nil {
			return nil, err
		}
		if len(text) > 0 && text[0] == '[' {
			err = json.Unmarshal(text, &c.queue)
		} else {
			c.queue = make([]msg, 1)
			err = json.Unmarshal(text, &c.queue[0])
		}
		if err != nil {
			return nil, fmt.Errorf("message %q: %w", text, err)
		}
	}
	m := c.queue[0]
	c.queue = c.queue[1:]
	return m, nil
}

// await reads on to a message of the type.
func (c *socket) await(t testing.TB, kind string) msg {
	t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if m.str("type") == kind {
			return m
		}
	}
}

// closing reads to the end and returns the code of the last bye, and the close code.
func (c *socket) closing(t testing.TB) (bye string, code int) {
	t.Helper()
	for {
		m, err := c.next()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return bye, closed.Code
		}
		if err != nil {
			t.Fatalf("waiting for the end: %v", err)
		}
		if m.str("type") == "bye" {
			bye = m.str("code")
		}
	}
}

// wantClose checks how the server ended the socket.
func (c *socket) wantClose(t testing.TB, why flow.Bye, code int) {
	t.Helper()
	bye, got := c.closing(t)
	if bye != string(why) || got != code {
		t.Fatalf("bye %q and close %d, want %q and %d", bye, got, why, code)
	}
}

// rawSocket is a client that does what no library would.
type rawSocket struct {
	net.Conn
	in     *bufio.Reader
	header http.Header // of the answer to the upgrade
}

// dialRaw upgrades a bare connection, anonymous or with the token in a header.
func (s *server) dialRaw(t testing.TB, header ...string) *rawSocket {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	path := strings.TrimPrefix(s.base, "http://"+s.addr) + "/ws"
	request := "GET " + path + " HTTP/1.1\r\nHost: " + s.addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for i := 0; i < len(header); i += 2 {
		request += header[i] + ": " + header[i+1] + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		t.Fatal(err)
	}
	raw := &rawSocket{Conn: conn, in: bufio.NewReader(conn)}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(raw.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %s", response.Status)
	}
	raw.header = response.Header
	return raw
}

// masked returns a frame of a client. The mask is zero, so the payload stays readable.
func masked(first byte, payload []byte) []byte {
	frame := []byte{first, 0x80}
	switch n := len(payload); {
	case n < 126:
		frame[1] |= byte(n)
	case n < 1<<16:
		frame[1] |= 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(n))
	default:
		frame[1] |= 127
		frame = binary.BigEndian.AppendUint64(frame, uint64(n))
	}
	return append(append(frame, 0, 0, 0, 0), payload...)
}

// shrink makes the kernel hold less for the client, so that a client that does not read is seen sooner.
func (r *rawSocket) shrink(t testing.TB, bytes int) {
	t.Helper()
	tcp, ok := r.Conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("the connection is a %T", r.Conn)
	}
	if err := tcp.SetReadBuffer(bytes); err != nil {
		t.Fatal(err)
	}
}

func (r *rawSocket) write(t testing.TB, b []byte) {
	t.Helper()
	if _, err := r.Write(b); err != nil {
		t.Fatal(err)
	}
}

// frame reads one frame of the server.
func (r *rawSocket) frame() (first byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	switch size {
	case 126:
		var wide [2]byte
		_, err = io.ReadFull(r.in, wide[:])
		size = uint64(binary.BigEndian.Uint16(wide[:]))
	case 127:
		var wide [8]byte
		_, err = io.ReadFull(r.in, wide[:])
		size = binary.BigEndian.Uint64(wide[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r.in, payload)
	return head[0], payload, err
}

// awaitFrame reads on to a frame that starts with the byte.
func (r *rawSocket) awaitFrame(t testing.TB, first byte) []byte {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for {
		got, payload, err := r.frame()
		if err != nil {
			t.Fatalf("waiting for a frame %#x: %v", first, err)
		}
		if got == first {
			return payload
		}
	}
}

// closing reads to the end and returns the close code, and whether a bye came before.
func (r *rawSocket) closing(t testing.TB) (code int, bye bool) {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for {
		first, payload, err := r.frame()
		if err != nil {
			t.Fatalf("waiting for a close frame: %v", err)
		}
		if first == 0x81 && strings.Contains(string(payload), `"type":"bye"`) {
			bye = true
		}
		if first == 0x88 {
			if len(payload) < 2 {
				return websocket.CloseNoStatusReceived, bye
			}
			return int(binary.BigEndian.Uint16(payload)), bye
		}
	}
}

// wantEnd checks that the server lets the connection go.
func (r *rawSocket) wantEnd(t testing.TB) {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.in); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the connection did not end: %v", err)
	}
}
