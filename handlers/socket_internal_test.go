package handlers

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	fasthttpws "github.com/fasthttp/websocket"
	"github.com/gofiber/contrib/websocket"
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
	app.Get("/ws", websocket.New(func(ws *websocket.Conn) {
		defer func() { returned <- struct{}{} }()
		s := testSocket(ws)
		sockets <- s
		s.serve(deaf{})
	}))
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
	app.Get("/ws", websocket.New(func(ws *websocket.Conn) {
		s := testSocket(ws)
		sockets <- s
		s.serve(deaf{})
	}))
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

// testSocket returns a socket that nobody configured.
func testSocket(ws *websocket.Conn) *socket {
	s := &socket{
		buffers: newBuffers(), chunk: largeBuffer, closed: make(chan struct{}),
		limits: limits{heartbeat: time.Hour, timeout: time.Hour},
	}
	s.take(ws.NetConn(), newAttempts())
	return s
}

// What the socket keeps of its request is what the upgrade reads: no cookie, no token, no query.
func TestTrim(t *testing.T) {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	kept := make(chan string, 1)
	app.Get("/ws/:id", func(c *fiber.Ctx) error {
		trim(c, true)
		header := &c.Request().Header
		kept <- string(header.RawHeaders()) + header.String() + c.Query("token") + c.Params("id")
		return c.SendString(c.Method() + " " + c.Path())
	})
	request := httptest.NewRequest(http.MethodGet, "/ws/7?token=secret", nil)
	for name, value := range map[string]string{
		"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "the key", "Sec-WebSocket-Protocol": "flow.v1, flow.bearer.secret",
		"Cookie": "session=secret", "Authorization": "Bearer secret", "Sec-WebSocket-Extensions": "permessage-deflate",
	} {
		request.Header.Set(name, value)
	}
	response, err := app.Test(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "GET /ws/7" {
		t.Errorf("body %q, %v", body, err)
	}
	header := <-kept
	for _, wanted := range []string{"keep-alive, Upgrade", "websocket", "13", "the key", "flow.v1"} {
		if !strings.Contains(header, wanted) {
			t.Errorf("%q is gone from %q", wanted, header)
		}
	}
	for _, unwanted := range []string{"secret", "permessage"} {
		if strings.Contains(header, unwanted) {
			t.Errorf("%q is kept in %q", unwanted, header)
		}
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
	dialer := fasthttpws.Dialer{HandshakeTimeout: time.Second * 10}
	c, _, err := dialer.Dial("ws://"+address+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}
