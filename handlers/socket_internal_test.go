package handlers

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	fasthttpws "github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// deaf is a hub's side that does nothing.
type deaf struct{}

func (deaf) Receive([]byte)    {}
func (deaf) MessageLimit() int { return 1024 }
func (deaf) Noise() bool       { return true }
func (deaf) Wake()             {}
func (deaf) Close(flow.Bye)    {}
func (deaf) Done()             {}
func (deaf) frame() *flow.Frame {
	return &flow.Frame{Type: "event", JSON: []byte(`{"type":"event","name":"of another client"}`)}
}

// Fiber uses connections again for other clients. Whoever still writes to a socket whose handler has
// returned gets an error, and reaches none of them (I6).
func TestSocket_Write_afterTheHandlerReturned(t *testing.T) {
	sockets := make(chan *socket, 64)
	returned := make(chan struct{}, 64)
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/ws", func(c *fiber.Ctx) error {
		return takeOver(c, false, func(conn net.Conn, hello func() []byte) {
			defer func() { returned <- struct{}{} }()
			s := testSocket(conn, hello(), deaf{})
			sockets <- s
			s.serve()
		})
	})
	address := serveApp(t, app)

	first := dialApp(t, address)
	stale := <-sockets
	if err := stale.Write([]*flow.Frame{deaf{}.frame()}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := first.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	<-returned

	clients := make([]*fasthttpws.Conn, 20)
	for i := range clients {
		clients[i] = dialApp(t, address)
		<-sockets
	}
	for range 100 {
		if err := stale.Write([]*flow.Frame{deaf{}.frame()}); err == nil {
			t.Fatal("a stale write succeeded")
		}
	}
	stale.Close(1012)
	stale.stopReading(0)
	stale.hurry(0)
	for i, c := range clients {
		if err := c.WriteMessage(fasthttpws.CloseMessage, fasthttpws.FormatCloseMessage(1000, "")); err != nil {
			t.Fatal(err)
		}
		_, text, err := c.ReadMessage()
		if !fasthttpws.IsCloseError(err, 1000) {
			t.Errorf("client %d read %q, %v", i, text, err)
		}
		<-returned
	}
}

// Every reason of the contract reaches the client as its close code, and nothing comes behind it.
func TestSocket_Close_codes(t *testing.T) {
	sockets := make(chan *socket, 1)
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/ws", func(c *fiber.Ctx) error {
		return takeOver(c, false, func(conn net.Conn, hello func() []byte) {
			s := testSocket(conn, hello(), deaf{})
			sockets <- s
			s.serve()
		})
	})
	address := serveApp(t, app)
	for _, why := range flow.Byes() {
		client := dialApp(t, address)
		s := <-sockets
		s.Close(why.CloseCode())
		if err := s.Write([]*flow.Frame{deaf{}.frame()}); err == nil {
			t.Error("a write after the close succeeded")
		}
		if _, text, err := client.ReadMessage(); !fasthttpws.IsCloseError(err, why.CloseCode()) {
			t.Errorf("%s: read %q, %v", why, text, err)
		}
	}
}

// broken is a hub's side that panics over every message.
type broken struct{ deaf }

func (broken) Receive([]byte) { panic("broken") }

// A panic over a message ends its socket alone, with the code for it: the first message, which is handled on
// another stack, and the next ones, which are not.
func TestSocket_Serve_panic(t *testing.T) {
	for _, busy := range []bool{false, true} {
		app := fiber.New(fiber.Config{DisableStartupMessage: true})
		app.Get("/ws", func(c *fiber.Ctx) error {
			return takeOver(c, false, func(conn net.Conn, hello func() []byte) {
				s := testSocket(conn, hello(), broken{})
				s.logger = slog.New(slog.DiscardHandler)
				if busy {
					s.heard = time.Now().Add(time.Hour)
				}
				s.serve()
			})
		})
		client := dialApp(t, serveApp(t, app))
		if err := client.WriteMessage(fasthttpws.TextMessage, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if _, text, err := client.ReadMessage(); !fasthttpws.IsCloseError(err, fasthttpws.CloseInternalServerErr) {
			t.Errorf("busy %v: read %q, %v", busy, text, err)
		}
	}
}

// testSocket returns a socket that nobody configured.
func testSocket(conn net.Conn, hello []byte, end peer) *socket {
	s := &socket{
		buffers: newBuffers(), chunk: largeBuffer, closed: make(chan struct{}), peer: end, stage: &stage{},
		limits: limits{heartbeat: time.Hour, timeout: time.Hour},
	}
	s.take(conn, hello, newAttempts())
	s.start()
	_ = s.Write(nil) // the answer to the upgrade
	return s
}

// A socket keeps nothing of its request: no cookie, no token, no query. The answer has what the application
// wants in it, and of what was offered the protocol alone.
func TestTakeOver(t *testing.T) {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	kept := make(chan string, 1)
	app.Get("/ws/:id", func(c *fiber.Ctx) error {
		c.Set("X-App", "here")
		c.Locals("of the app", "secret")
		ctx := c.Context()
		return takeOver(c, true, func(conn net.Conn, hello func() []byte) {
			_, _ = conn.Write(hello())
			kept <- fmt.Sprint(&ctx.Request.Header, &ctx.Response.Header, ctx.URI(), ctx.UserValue("of the app"))
		})
	})
	conn, err := net.Dial("tcp", serveApp(t, app))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	request := httptest.NewRequest(http.MethodGet, "/ws/7?token=secret", nil)
	for name, value := range upgradeHeaders() {
		request.Header.Set(name, value)
	}
	for name, value := range map[string]string{
		"Sec-WebSocket-Protocol": "flow.bearer.secret, flow.v1", "Sec-WebSocket-Extensions": "permessage-deflate",
		"Cookie": "session=secret", "Authorization": "Bearer secret",
	} {
		request.Header.Set(name, value)
	}
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer %+v, %v", answer, err)
	}
	for name, want := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"Sec-Websocket-Protocol": flow.Protocol, "Sec-Websocket-Extensions": "", "X-App": "here",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if text := <-kept; strings.Contains(text, "secret") || strings.Contains(text, "X-App") {
		t.Errorf("kept %q", text)
	}
}

// upgradeHeaders is the example of RFC 6455.
func upgradeHeaders() map[string]string {
	return map[string]string{
		"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
}

func serveApp(t testing.TB, app *fiber.App) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

func dialApp(t *testing.T, address string) *fasthttpws.Conn {
	t.Helper()
	const bound = 30 * time.Second // which only passes when something is broken
	dialer := fasthttpws.Dialer{HandshakeTimeout: bound}
	c, _, err := dialer.Dial("ws://"+address+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	return c
}
