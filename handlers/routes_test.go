package handlers_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
)

// The routes are those of the contract, and those of the operators' page.
func TestRegister_table(t *testing.T) {
	want := `
GET /ws public
GET /health/live public
GET /health/ready public
GET /health admin
GET /metrics admin
GET /stats admin
GET /rooms admin
GET /rooms/:room admin
DELETE /rooms/:room owner or admin
GET /rooms/:room/participants viewer
GET /rooms/:room/operations viewer
POST /rooms/:room/operations editor
GET /rooms/:room/snapshot viewer
PUT /rooms/:room/snapshot editor
GET /rooms/:room/state viewer
POST /rooms/:room/restore owner
GET /rooms/:room/locks viewer
POST /rooms/:room/events editor
GET /rooms/:room/stream viewer
DELETE /rooms/:room/sessions/:session owner
GET /users/:user/sessions self or admin
DELETE /users/:user/sessions admin
POST /users/:user/events admin
GET /client.js public
GET /client.d.ts public
GET /dashboard public
GET /dashboard.js public
GET /dashboard.css public
`
	got := "\n"
	for _, r := range handlers.Routes() {
		got += r.Method + " " + r.Path + " " + string(r.Access) + "\n"
	}
	if got != want {
		t.Errorf("routes:%swant:%s", got, want)
	}
}

// Every route lets in those who have its access and nobody else; who is nobody gets 401, who lacks the
// right 403, and both before the request is looked at any further.
func TestRegister_access(t *testing.T) {
	s := start(t, options{})
	allowed := map[handlers.Access]string{
		"viewer": "viewer editor owner admin", "editor": "editor owner admin", "owner": "owner admin",
		"admin": "admin", "owner or admin": "owner admin", "self or admin": "self admin",
	}
	tokens := map[string]string{
		"nobody": "", "forged": "forged", "none": "as-none", "viewer": "as-viewer", "editor": "as-editor",
		"owner": "as-owner", "self": "as-self", "admin": adminToken,
	}
	for _, route := range handlers.Routes() {
		if route.Access == "public" {
			continue
		}
		path := strings.NewReplacer(":room", "a", ":user", "self", ":session", "s").Replace(route.Path)
		for who, token := range tokens {
			if who == "self" && route.Access != "self or admin" {
				continue // an editor like others
			}
			if strings.HasSuffix(path, "/stream") && strings.Contains(allowed[route.Access], who) {
				continue // never ends
			}
			t.Run(route.Method+" "+route.Path+" as "+who, func(t *testing.T) {
				got := s.call(t, route.Method, path, token, "")
				switch {
				case strings.Contains(allowed[route.Access], who):
					if got.status == http.StatusUnauthorized || got.status == http.StatusForbidden {
						t.Errorf("refused: %d %s", got.status, got.body)
					}
				case who == "nobody" || who == "forged":
					got.wantCode(t, flow.CodeUnauthenticated)
					if got.header.Get("WWW-Authenticate") != "Bearer" {
						t.Errorf("headers %v", got.header)
					}
				default:
					got.wantCode(t, flow.CodeForbidden)
				}
			})
		}
	}
}

// Where nobody can be admin, the admin routes say so; the admin token opens every room, hidden ones too.
func TestRegister_admin(t *testing.T) {
	without := start(t, options{hub: func(c *flow.Config) { c.AdminToken = "" }})
	without.call(t, http.MethodGet, "/stats", "as-owner", "").wantCode(t, flow.CodeForbidden)

	hook := start(t, options{hub: func(c *flow.Config) {
		c.Admin = func(_ context.Context, r flow.Request) (bool, error) { return r.Cookie("role") == "boss", nil }
	}})
	hook.call(t, http.MethodGet, "/stats", "", "", "Cookie", "role=boss").wantStatus(t, http.StatusOK)
	hook.call(t, http.MethodGet, "/stats", "as-ann", "", "Cookie", "role=clerk").
		wantCode(t, flow.CodeForbidden)
	hook.call(t, http.MethodGet, "/rooms/hidden/participants", adminToken, "").wantStatus(t, http.StatusOK)
	hook.call(t, http.MethodDelete, "/rooms/any", "", "", "Cookie", "role=boss").wantStatus(t, http.StatusNoContent)
}

// A page of another site cannot change anything with its visitor's cookies; credentials in a header
// are no accident.
func TestRegister_origin(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Authenticate = func(_ context.Context, r flow.Request) (*flow.User, error) {
			if name := r.Cookie("session"); name != "" {
				return &flow.User{ID: name}, nil
			}
			return nil, nil
		}
	}})
	post := func(header ...string) reply {
		return s.call(t, http.MethodPost, "/rooms/r/events", "", `{"name":"n"}`, header...)
	}
	post("Cookie", "session=ann").wantStatus(t, http.StatusAccepted)
	post("Cookie", "session=ann", "Origin", "http://"+s.addr).wantStatus(t, http.StatusAccepted)
	post("Cookie", "session=ann", "Origin", "https://evil.example").
		wantCode(t, flow.CodeForbidden)
	post("Authorization", "Bearer as-ann", "Origin", "https://other.example").wantStatus(t, http.StatusAccepted)
}

// One user who asks too often is told when to come back; others are not concerned.
func TestRegister_rate(t *testing.T) {
	slowly := func(c *flow.Config) { c.Quotas.UserRequestsPerSecond = 1 }
	s := start(t, options{hub: slowly})
	var last reply
	for range 1000 {
		if last = s.call(t, http.MethodGet, "/rooms/r/participants", "as-eager", ""); last.status != http.StatusOK {
			break
		}
	}
	last.wantCode(t, flow.CodeRateLimited)
	if last.header.Get("Retry-After") != "1" || last.object(t).object("error")["retryAfter"] == nil {
		t.Errorf("headers %v, body %s", last.header, last.body)
	}
	s.call(t, http.MethodGet, "/rooms/r/participants", "as-calm", "").wantStatus(t, http.StatusOK)

	open := start(t, options{hub: func(c *flow.Config) {
		anonymous(c)
		slowly(c)
	}})
	for range 1000 {
		if last = open.call(t, http.MethodGet, "/rooms/r/participants", "", ""); last.status != http.StatusOK {
			break
		}
	}
	last.wantCode(t, flow.CodeRateLimited) // though every anonymous request is a user of its own
}

// Without a hub every endpoint fails in the contract's way, and the log says what to mount.
func TestRegister_withoutAHub(t *testing.T) {
	log := &logBuffer{}
	s := start(t, options{mount: func(app *fiber.App, c handlers.Config) {
		handlers.Register(app.Group("/collab"), handlers.Config{Logger: newLogger(log)})
	}})
	for _, path := range []string{"/health/ready", "/ws", "/rooms/r/operations"} {
		s.call(t, http.MethodGet, path, "as-ann", "").wantCode(t, flow.CodeInternal)
	}
	if !log.contains("mount middleware.New()") {
		t.Errorf("log:\n%s", log.text.String())
	}
}

// A path that cannot be decoded is refused: no client library sends one, so a bare connection does.
func TestRegister_brokenEscape(t *testing.T) {
	s := start(t, options{})
	for path, code := range map[string]flow.Code{
		"/collab/rooms/a%zz/participants":    flow.CodeInvalidRoom,
		"/collab/rooms/a%2/participants":     flow.CodeInvalidRoom,
		"/collab/rooms/r/sessions/%zz":       flow.CodeInvalidMessage,
		"/collab/users/%zz/sessions":         flow.CodeInvalidMessage,
		"/collab/users/a%00b/sessions?after": flow.CodeInvalidMessage,
	} {
		method := http.MethodGet
		if strings.Contains(path, "/r/sessions/") {
			method = http.MethodDelete
		}
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the test is over
		head := " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + adminToken + "\r\n\r\n"
		_, err = io.WriteString(conn, method+" "+path+head)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(path)
		readReply(t, response).wantCode(t, code)
	}
}

// Next hands a request on to the application.
func TestRegister_next(t *testing.T) {
	s := start(t, options{mount: func(app *fiber.App, c handlers.Config) {
		c.Next = func(ctx *fiber.Ctx) bool { return ctx.Get("X-Skip") != "" }
		handlers.Register(app.Group("/collab"), c)
		app.Get("/collab/stats", func(ctx *fiber.Ctx) error { return ctx.SendString("the application's") })
	}})
	s.call(t, http.MethodGet, "/stats", "", "").wantCode(t, flow.CodeUnauthenticated)
	if got := string(s.call(t, http.MethodGet, "/stats", "", "", "X-Skip", "1").body); got != "the application's" {
		t.Errorf("body %q", got)
	}
}

// A hook that panics has failed: the answer is the contract's, without the panic's text, which is logged.
func TestRegister_panic(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Authorize = func(context.Context, flow.User, string) (flow.Access, error) {
			panic("secret detail of a panic")
		}
	}})
	got := s.call(t, http.MethodGet, "/rooms/r/operations", "as-ann", "")
	got.wantCode(t, flow.CodeUnavailable)
	if strings.Contains(string(got.body), "secret") || !s.log.contains("secret detail of a panic") {
		t.Errorf("body %s, logged: %v", got.body, s.log.contains("secret detail"))
	}
}

// Room ids of the path are decoded once and then checked.
func TestRegister_roomIDs(t *testing.T) {
	for _, unescape := range []bool{false, true} {
		s := start(t, options{fiber: fiber.Config{UnescapePath: unescape}})
		for id, want := range map[string]string{
			"Board-1":                "Board-1",
			"a.b_c~d:e":              "a.b_c~d:e",
			"%42oard":                "Board",
			"a%3Ab":                  "a:b",
			"a%253Ab":                "",
			"a%20b":                  "",
			"%2e%2E":                 "",
			"-a":                     "",
			"%C3%BC":                 "",
			"a%00":                   "",
			strings.Repeat("x", 128): strings.Repeat("x", 128),
			strings.Repeat("x", 129): "",
		} {
			got := s.call(t, http.MethodPost, "/rooms/"+id+"/operations", "as-ann", `{"operations":[{"data":1}]}`)
			if want == "" {
				got.wantCode(t, flow.CodeInvalidRoom)
				continue
			}
			got.wantStatus(t, http.StatusCreated)
			page, err := s.hub.Operations(t.Context(), want, flow.Query{Unchecked: true, Limit: 1})
			if err != nil || len(page.Operations) != 1 {
				t.Errorf("%s: room %s has %d operations (%v)", id, want, len(page.Operations), err)
			}
			if err := s.hub.DeleteRoom(t.Context(), want); err != nil {
				t.Fatal(err)
			}
		}
	}
}
