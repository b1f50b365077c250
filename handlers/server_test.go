package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/memx"
)

const (
	// patience bounds every wait of a test. It is long because it only passes when something is broken.
	patience = 30 * time.Second
	// promptly is what a goodbye and those beside a client that does not read take at most: less than the server's
	// own bounds for such a client and for its end.
	promptly = 10 * time.Second
	// adminToken is the admin's bearer token in every test. Other tokens are user ids after "as-".
	adminToken = "let-me-administrate"
)

// server is a Fiber app on a port of its own, with a hub in memory behind it.
type server struct {
	app  *fiber.App
	hub  *flow.Hub
	base string // URL of the mount
	addr string
	log  *logBuffer
	http *http.Client
}

// options change what start builds.
type options struct {
	hub   func(*flow.Config)
	fiber fiber.Config
	// mount registers the endpoints; by default on a group of the app.
	mount func(app *fiber.App, config handlers.Config)
	// prefix of the endpoints; default "/collab".
	prefix string
}

// start serves a hub until the test ends.
func start(t testing.TB, o options) *server {
	t.Helper()
	s := &server{log: &logBuffer{}}
	s.hub = newHub(t, s.log, o.hub)
	o.fiber.DisableStartupMessage = true
	s.app = fiber.New(o.fiber)
	if o.mount == nil {
		o.mount = func(app *fiber.App, config handlers.Config) { handlers.Register(app.Group("/collab"), config) }
	}
	if o.prefix == "" {
		o.prefix = "/collab"
	}
	o.mount(s.app, handlers.Config{Hub: s.hub})
	s.listen(t)
	s.base = "http://" + s.addr + o.prefix
	return s
}

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// newHub returns a hub in memory that is closed when the test ends.
func newHub(t testing.TB, log io.Writer, change func(*flow.Config)) *flow.Hub {
	t.Helper()
	config := flow.Config{
		Sessions: memx.NewSessionStore(memx.SessionConfig{}), Bus: memx.NewBus(), Log: memx.NewLog(memx.LogConfig{}),
		Logger:      newLogger(log),
		AdminToken:  adminToken,
		VerifyToken: verifyToken,
		Authorize:   authorize,
	}
	if change != nil {
		change(&config)
	}
	hub, err := flow.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Errorf("closing the hub: %v", err)
		}
	})
	return hub
}

// listen serves the app until the test ends.
func (s *server) listen(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(listener) }()
	transport := &http.Transport{}
	s.http = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.app.ShutdownWithTimeout(patience); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// verifyToken takes "as-<user>" for the user; "expired" has expired.
func verifyToken(_ context.Context, token string) (flow.User, error) {
	if token == "expired" {
		return flow.User{ID: "late", Expires: time.Now().Add(-time.Minute)}, nil
	}
	user, ok := strings.CutPrefix(token, "as-")
	if !ok {
		return flow.User{}, errors.New("secret detail of the token check")
	}
	return flow.User{ID: user, Name: "Name of " + user}, nil
}

// authorize gives access by the user's name, and hides rooms that start with "hidden".
func authorize(_ context.Context, user flow.User, room string) (flow.Access, error) {
	if strings.HasPrefix(room, "hidden") {
		return flow.None, nil
	}
	if access, ok := flow.ParseAccess(user.ID); ok {
		return access, nil
	}
	return flow.Editor, nil
}

// reply is an answer to a REST request.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request as the user of the token, "" for nobody.
func (s *server) call(t testing.TB, method, path, token, body string, header ...string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := s.http.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{response.StatusCode, response.Header, text}
}

// object decodes the body as a JSON object.
func (r reply) object(t testing.TB) msg {
	t.Helper()
	var m msg
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("status %d, body %q: %v", r.status, r.body, err)
	}
	return m
}

// wantStatus checks the status and returns the body.
func (r reply) wantStatus(t testing.TB, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d; body %s", r.status, status, r.body)
	}
	return r
}

// wantCode checks that the request was refused with the code and its status.
func (r reply) wantCode(t testing.TB, code flow.Code) {
	t.Helper()
	r.wantError(t, code.Status(), code)
}

// wantError checks that the body is the contract's error and nothing else.
func (r reply) wantError(t testing.TB, status int, code flow.Code) {
	t.Helper()
	r.wantStatus(t, status)
	var body struct {
		Error *struct {
			Code       flow.Code `json:"code"`
			Message    string    `json:"message"`
			RetryAfter int64     `json:"retryAfter"`
		} `json:"error"`
	}
	decoder := json.NewDecoder(bytes.NewReader(r.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || body.Error == nil {
		t.Fatalf("body %s is not an error: %v", r.body, err)
	}
	if body.Error.Code != code || body.Error.Message == "" {
		t.Fatalf("error %+v, want code %q and a message", *body.Error, code)
	}
	if kind := r.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type %q", kind)
	}
}

// msg is a decoded JSON object.
type msg map[string]any

func (m msg) str(key string) string {
	s, _ := m[key].(string)
	return s
}

func (m msg) list(key string) []any {
	l, _ := m[key].([]any)
	return l
}

func (m msg) object(key string) msg {
	o, _ := m[key].(map[string]any)
	return o
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) contains(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), part)
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}
