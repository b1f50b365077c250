package middleware_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/middleware"
)

// site is an application with all endpoints, on a port of its own.
type site struct {
	hub     *flow.Hub
	addr    string
	routes  []route
	client  *http.Client
	answers book // all that clients were told
}

// serve serves until the test ends. The log of the server goes where that of the hub goes.
func serve(t *testing.T, cfg middleware.Config, log *book) *site {
	t.Helper()
	hub, err := middleware.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Server().Logger = log
	app.Use(middleware.New(middleware.Config{Hub: hub}))
	handlers.Register(app)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	s := &site{hub: hub, addr: listener.Addr().String(), routes: routesOf(app)}
	s.client = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := app.ShutdownWithTimeout(10 * time.Second); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

// keep keeps what a client was told.
func (s *site) keep(format string, args ...any) { _, _ = fmt.Fprintf(&s.answers, format+"\n", args...) }

// request sends a request with something as its body.
func (s *site) request(t *testing.T, r route, header http.Header) {
	t.Helper()
	body := strings.NewReader(`{"operations":[{"data":1}],"name":"n","data":{}}`)
	request, err := http.NewRequestWithContext(t.Context(), r.method, "http://"+s.addr+r.path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	answer, err := s.client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	s.keep("%s %s: %s %v %s", r.method, r.path, answer.Status, answer.Header, text)
}

// raw sends what is no request, and reads what comes back until the end.
func (s *site) raw(t *testing.T, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, text) // the server may have closed before the end
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.keep("raw: %v", err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body) // the connection may be reset behind the answer
	s.keep("raw: %s %v %s", answer.Status, answer.Header, body)
}

// dial opens a socket as somebody; nil when it is refused.
func (s *site) dial(t *testing.T, token string) *websocket.Conn {
	t.Helper()
	protocols := []string{flow.Protocol}
	if token != "" {
		protocols = append(protocols, "flow.bearer."+token)
	}
	dialer := websocket.Dialer{HandshakeTimeout: 10 * time.Second, Subprotocols: protocols}
	conn, answer, err := dialer.Dial("ws://"+s.addr+"/ws", nil)
	if answer != nil {
		body, _ := io.ReadAll(answer.Body)
		s.keep("ws: %s %v %s", answer.Status, answer.Header, body)
	}
	if err != nil {
		s.keep("ws: %v", err)
		return nil
	}
	return conn
}

// socket says all kinds of wrong things with a token in them: in the handshake, or in messages.
func (s *site) socket(t *testing.T, offered, said string) {
	t.Helper()
	conn := s.dial(t, offered)
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for _, format := range []string{
		`{"type":"auth","id":"1","token":%q}`, `{"type":"auth","id":"2","token":[%q]}`, `{"type":"auth","id":7,"x":%q}`,
		`{"type":"%s","id":"3"}`, `not JSON %s`, `{"type":"join","id":"4","room":"room","resume":%q}`,
		`{"type":"op","room":"room","n":%q}`, `{"type":"ping","id":"last"}`,
	} {
		if strings.Contains(format, "%") {
			format = fmt.Sprintf(format, said)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(format)); err != nil {
			s.keep("ws: %v", err)
			return
		}
	}
	s.await(t, conn, "last")
}

// await reads on to the answer with this id, or to the end.
func (s *site) await(t *testing.T, conn *websocket.Conn, id string) message {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			s.keep("ws: %v", err)
			return nil
		}
		var several []message
		if text[0] != '[' {
			text = fmt.Appendf(nil, "[%s]", text)
		}
		if err := json.Unmarshal(text, &several); err != nil {
			t.Fatalf("message %s: %v", text, err)
		}
		for _, m := range several {
			if m["type"] != "joined" {
				s.keep("ws: %v", m)
			}
			if m["id"] == id {
				return m
			}
		}
	}
}

// session joins, comes back, and offers the old resume token again, which it returns.
func (s *site) session(t *testing.T, token string) string {
	t.Helper()
	resume := ""
	first := ""
	for i := range 3 {
		conn := s.dial(t, token)
		if conn == nil {
			t.Fatal("a good token was refused")
		}
		text := fmt.Sprintf(`{"type":"join","id":"%d","room":"room","resume":%q}`, i, resume)
		if i == 0 {
			text = `{"type":"join","id":"0","room":"room"}`
		}
		if i == 2 {
			text = fmt.Sprintf(`{"type":"join","id":"2","room":"elsewhere","resume":%q}`, first)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		answer := s.await(t, conn, fmt.Sprint(i))
		if i < 2 {
			resume, _ = answer["resume"].(string)
		}
		if i == 0 {
			first = resume
		}
		if wrong := answer["type"] != "joined"; resume == "" || wrong != (i == 2) {
			t.Fatalf("join %d answered %v", i, answer)
		}
		_ = conn.Close()
	}
	return first
}
