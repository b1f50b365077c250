package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
)

// credentials are what somebody shows who wants to be an admin.
type credentials struct {
	name, authorization, cookie, query string
}

// bossOnly is an Admin hook that knows its people by a cookie.
func bossOnly(_ context.Context, r flow.Request) (bool, error) {
	return r.Cookie("role") == "boss", nil
}

// Admin routes are closed to everybody where no admin is configured, and else open to the token and to whom the
// hook names: wrong credentials are 401, good ones without the right 403. The token counts whole or not at all,
// and only where it belongs.
func TestAccess_admin(t *testing.T) {
	shown := []credentials{
		{name: "nothing"},
		{name: "an empty token", authorization: "Bearer "},
		{name: "no token", authorization: "Basic YTpi"},
		{name: "a forged token", authorization: "Bearer forged"},
		{name: "the token in a URL", query: "?token=" + adminToken + "&access_token=" + adminToken},
		{name: "the token in a cookie", cookie: "token=" + adminToken},
		{name: "half of the token", authorization: "Bearer " + adminToken[:8]},
		{name: "the token and more", authorization: "Bearer " + adminToken + "x"},
		{name: "the token in capitals", authorization: "Bearer " + strings.ToUpper(adminToken)},
		{name: "an expired token", authorization: "Bearer expired"},
		{name: "a user", authorization: "Bearer as-ann"},
		{name: "an owner", authorization: "Bearer as-owner"},
		{name: "a user of the name", authorization: "Bearer as-admin"},
		{name: "a clerk", authorization: "Bearer as-ann", cookie: "role=clerk"},
		{name: "the token", authorization: "Bearer " + adminToken},
		{name: "the boss", cookie: "role=boss"},
	}
	for name, admins := range map[string]func(*flow.Config){
		"none":  func(c *flow.Config) { c.AdminToken = "" },
		"token": func(*flow.Config) {},
		"hook":  func(c *flow.Config) { c.AdminToken, c.Admin = "", bossOnly },
		"both":  func(c *flow.Config) { c.Admin = bossOnly },
	} {
		s := start(t, options{hub: func(c *flow.Config) {
			c.Quotas.UserRequestsPerSecond = 1 << 20
			admins(c)
		}})
		for _, route := range handlers.Routes() {
			if route.Access != "admin" {
				continue
			}
			for _, who := range shown {
				t.Run(name+" "+route.Method+" "+route.Path+" "+who.name, func(t *testing.T) {
					s.wantAdmin(t, route, name, who)
				})
			}
		}
	}
}

// wantAdmin checks the answer of an admin route where the token, the hook, both or none can make somebody admin.
func (s *server) wantAdmin(t *testing.T, route handlers.RouteAccess, configured string, who credentials) {
	t.Helper()
	byToken := configured == "token" || configured == "both"
	byHook := configured == "hook" || configured == "both"
	path := strings.NewReplacer(":room", "a", ":user", "u", ":session", "s").Replace(route.Path) + who.query
	got := s.call(t, route.Method, path, "", `{"name":"n"}`, "Authorization", who.authorization, "Cookie", who.cookie)
	switch {
	case configured == "none":
		got.wantCode(t, flow.CodeForbidden)
	case who.name == "the token" && byToken, who.name == "the boss" && byHook:
		if got.status == http.StatusUnauthorized || got.status == http.StatusForbidden || got.status >= 500 {
			t.Errorf("refused: %d %s", got.status, got.body)
		}
	case who.name == "an expired token":
		got.wantCode(t, flow.CodeTokenExpired)
	case strings.HasPrefix(who.authorization, "Bearer as-"):
		got.wantCode(t, flow.CodeForbidden)
	default:
		got.wantCode(t, flow.CodeUnauthenticated)
	}
}

// A hook of the application that panics has failed: who asked is refused, nothing of the panic is told, it is
// logged with where it was, and everybody else goes on.
func TestAccess_panics(t *testing.T) {
	const secret = "secret detail of a panic"
	for name, c := range map[string]struct {
		hook         func(*flow.Config)
		method, path string
		status       int
		handshake    int // of a socket
	}{
		"Authenticate": {
			func(c *flow.Config) {
				c.Authenticate = func(context.Context, flow.Request) (*flow.User, error) { panic(secret) }
			},
			http.MethodGet, "/rooms/r/operations", http.StatusUnauthorized, http.StatusUnauthorized,
		},
		"VerifyToken": {
			func(c *flow.Config) {
				c.VerifyToken = func(context.Context, string) (flow.User, error) { panic(secret) }
			},
			http.MethodGet, "/rooms/r/operations", http.StatusUnauthorized, http.StatusUnauthorized,
		},
		"Admin": {
			func(c *flow.Config) { c.Admin = func(context.Context, flow.Request) (bool, error) { panic(secret) } },
			http.MethodGet, "/stats", http.StatusInternalServerError, http.StatusSwitchingProtocols,
		},
		"Authorize": {
			func(c *flow.Config) {
				c.Authorize = func(context.Context, flow.User, string) (flow.Access, error) { panic(secret) }
			},
			http.MethodGet, "/rooms/r/operations", http.StatusServiceUnavailable, http.StatusSwitchingProtocols,
		},
		"OnOperation": {
			func(c *flow.Config) { c.OnOperation = func(context.Context, *flow.Proposal) error { panic(secret) } },
			http.MethodPost, "/rooms/r/operations", http.StatusUnprocessableEntity, http.StatusSwitchingProtocols,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{hub: c.hook})
			got := s.call(t, c.method, c.path, "as-ann", `{"operations":[{"data":1}]}`).wantStatus(t, c.status)
			if strings.Contains(string(got.body), "secret") || strings.Contains(string(got.body), "hook") {
				t.Errorf("body %s", got.body)
			}
			for _, part := range []string{secret, name, "access_admin_test.go"} {
				if !s.log.contains(part) {
					t.Errorf("the log lacks %s", part)
				}
			}
			ws, response, err := s.handshake(nil, http.Header{"Authorization": {"Bearer as-ann"}})
			if response == nil || response.StatusCode != c.handshake {
				t.Fatalf("handshake: %v, %v", response, err)
			}
			if err == nil {
				ws.await(t, "welcome")
				_ = ws.Close()
			}
			s.call(t, http.MethodGet, "/health/live", "", "").wantStatus(t, http.StatusOK)
		})
	}
}
