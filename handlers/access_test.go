package handlers_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
)

// accessRule is what a route answers: to whom it is open, and with which status then.
type accessRule struct {
	open   string // the people that it is open to; "" for everybody
	status int
	body   string
}

// People of the table, from the least to the most. Each of these lists holds those who may at least so much.
const (
	owners  = "owner admin"
	editors = "editor " + owners
	viewers = "viewer " + editors
)

// accessRules has a rule for every route. It says by itself what the contract wants, and knows nothing of the
// table that the routes are registered with.
func accessRules() map[string]accessRule {
	const operation, event = `{"operations":[{"data":1}]}`, `{"name":"n"}`
	const snapshot = `{"position":"0:0000000000000000","data":{}}`
	return map[string]accessRule{
		"GET /ws": {status: http.StatusUpgradeRequired},

		"GET /health/live":  {status: http.StatusOK},
		"GET /health/ready": {status: http.StatusOK},
		"GET /health":       {open: "admin", status: http.StatusOK},
		"GET /metrics":      {open: "admin", status: http.StatusOK},
		"GET /stats":        {open: "admin", status: http.StatusOK},

		"GET /rooms":                            {open: "admin", status: http.StatusOK},
		"GET /rooms/:room":                      {open: "admin", status: http.StatusOK},
		"DELETE /rooms/:room":                   {open: owners, status: http.StatusNoContent},
		"GET /rooms/:room/participants":         {open: viewers, status: http.StatusOK},
		"GET /rooms/:room/operations":           {open: viewers, status: http.StatusOK},
		"POST /rooms/:room/operations":          {open: editors, status: http.StatusCreated, body: operation},
		"GET /rooms/:room/snapshot":             {open: viewers, status: http.StatusOK},
		"PUT /rooms/:room/snapshot":             {open: editors, status: http.StatusNoContent, body: snapshot},
		"GET /rooms/:room/state":                {open: viewers, status: http.StatusNotFound}, // there is no reducer
		"POST /rooms/:room/restore":             {open: owners, status: http.StatusNotFound, body: snapshot},
		"GET /rooms/:room/locks":                {open: viewers, status: http.StatusOK},
		"POST /rooms/:room/events":              {open: editors, status: http.StatusAccepted, body: event},
		"GET /rooms/:room/stream":               {open: viewers, status: http.StatusOK},
		"DELETE /rooms/:room/sessions/:session": {open: owners, status: http.StatusNotFound},

		"GET /users/:user/sessions":    {open: "self admin", status: http.StatusOK},
		"DELETE /users/:user/sessions": {open: "admin", status: http.StatusNoContent},
		"POST /users/:user/events":     {open: "admin", status: http.StatusAccepted, body: event},

		"GET /client.js":     {status: http.StatusOK},
		"GET /client.d.ts":   {status: http.StatusOK},
		"GET /dashboard":     {open: "admin", status: http.StatusOK},
		"GET /dashboard.js":  {status: http.StatusOK},
		"GET /dashboard.css": {status: http.StatusOK},
	}
}

// accessPeople are those who call, and what they show.
func accessPeople() map[string]string {
	return map[string]string{
		"nobody": "", "expired": "expired", "forged": "forged", "tenant": "as-tenant", "none": "as-none",
		"viewer": "as-viewer", "editor": "as-editor", "owner": "as-owner", "self": "as-self", "admin": adminToken,
	}
}

// tenants is authorize, and a user of another tenant, who is the owner of rooms of his own and of nothing else.
func tenants(ctx context.Context, user flow.User, room string) (flow.Access, error) {
	switch {
	case user.ID == "tenant" && strings.HasPrefix(room, "theirs"):
		return flow.Owner, nil
	case user.ID == "tenant", user.ID == "self":
		return flow.None, nil
	}
	return authorize(ctx, user, room)
}

func startForAccess(t *testing.T) *server {
	t.Helper()
	return start(t, options{hub: func(c *flow.Config) {
		c.Authorize = tenants
		c.Leases, _ = c.Log.(flow.Leases)
		c.Quotas.UserRequestsPerSecond = 1 << 20
	}})
}

// seed fills a room with what a room can have.
func (s *server) seed(t *testing.T, room string) {
	t.Helper()
	result, err := s.hub.Submit(t.Context(), room, flow.User{ID: "seed"}, "", []byte(`"secret data"`))
	if err != nil {
		t.Fatal(err)
	}
	at, err := flow.ParsePosition(result.Position)
	if err == nil {
		err = s.hub.SaveSnapshot(t.Context(), room, flow.Snapshot{Position: at, Data: []byte(`"secret state"`)})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Every route answers everybody as the table says, with code and status, and there is no route without a line in
// it. Who is refused hears nothing of the room. I6
func TestAccess(t *testing.T) {
	s, rules, rooms := startForAccess(t), accessRules(), 0
	for _, route := range handlers.Routes() {
		name := route.Method + " " + route.Path
		rule, found := rules[name]
		if !found {
			t.Errorf("%s has no rule: who may use it?", name)
			continue
		}
		delete(rules, name)
		for who, token := range accessPeople() {
			rooms++
			room := fmt.Sprintf("room-%d", rooms)
			s.seed(t, room)
			t.Run(name+" as "+who, func(t *testing.T) {
				path := strings.NewReplacer(":room", room, ":user", "self", ":session", "someone").Replace(route.Path)
				s.wantRule(t, rule, who, route.Method, path, token)
			})
		}
	}
	if len(rules) > 0 {
		t.Errorf("rules for routes that there are not: %v", slices.Collect(maps.Keys(rules)))
	}
}

// wantRule checks one answer.
func (s *server) wantRule(t *testing.T, rule accessRule, who, method, path, token string) {
	t.Helper()
	open := rule.open == "" || slices.Contains(strings.Fields(rule.open), who)
	if open && strings.HasSuffix(path, "/stream") {
		method = http.MethodHead // it would not end
	}
	got := s.call(t, method, path, token, rule.body)
	if open {
		got.wantStatus(t, rule.status)
		return
	}
	got.wantCode(t, refusalOf(who))
	for _, said := range []string{"room-", "secret", "seed", "self", "tenant"} {
		if strings.Contains(string(got.body), said) {
			t.Errorf("the refusal says %s: %s", said, got.body)
		}
	}
	challenge := got.header.Get("WWW-Authenticate")
	if (challenge == "Bearer") != (got.status == http.StatusUnauthorized) {
		t.Errorf("status %d with WWW-Authenticate %q", got.status, challenge)
	}
}

// refusalOf returns the code that somebody is refused with.
func refusalOf(who string) flow.Code {
	switch who {
	case "nobody", "forged":
		return flow.CodeUnauthenticated
	case "expired":
		return flow.CodeTokenExpired
	default:
		return flow.CodeForbidden
	}
}

// Where anonymous people are let in they are editors here, owners of nothing, nobody's self, and no admins.
func TestAccess_anonymous(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		anonymous(c)
		c.Leases, _ = c.Log.(flow.Leases)
	}})
	for name, rule := range accessRules() {
		method, path, _ := strings.Cut(name, " ")
		s.seed(t, "room")
		t.Run(name, func(t *testing.T) {
			path = strings.NewReplacer(":room", "room", ":user", "anonymous", ":session", "someone").Replace(path)
			switch rule.open {
			case "admin":
				s.call(t, method, path, "", rule.body).wantCode(t, flow.CodeUnauthenticated)
			case owners, "self admin":
				s.call(t, method, path, "", rule.body).wantCode(t, flow.CodeForbidden)
			default:
				s.wantRule(t, accessRule{status: rule.status, body: rule.body}, "", method, path, "")
			}
		})
	}
}

// The handshake refuses bad credentials, wherever they are, and lets in who may still say who they are. Nobody
// becomes anonymous by showing something that is not good.
func TestAccess_handshake(t *testing.T) {
	closed, open := startForAccess(t), start(t, options{hub: anonymous})
	for who, token := range accessPeople() {
		for _, s := range []*server{closed, open} {
			header, offers := http.Header{}, []string{flow.Protocol}
			if token != "" {
				header.Set("Authorization", "Bearer "+token)
				offers = append(offers, "flow.bearer."+token)
			}
			byHeader, refusedHeader := s.shakeHands(t, nil, header)
			byProtocol, refusedProtocol := s.shakeHands(t, offers, nil)
			want := ""
			if who == "expired" || who == "forged" {
				want = string(refusalOf(who))
			}
			if refusedHeader != want || refusedProtocol != want {
				t.Errorf("%s is refused with %q and %q, want %q", who, refusedHeader, refusedProtocol, want)
			}
			anonymous := strings.HasPrefix(byHeader, "anonymous-") && strings.HasPrefix(byProtocol, "anonymous-")
			if (who == "nobody" && s == open) != anonymous {
				t.Errorf("%s is %q and %q", who, byHeader, byProtocol)
			}
		}
	}
}

// shakeHands opens a socket and returns whose it is, or the code of the refusal.
func (s *server) shakeHands(t *testing.T, offers []string, header http.Header) (user, refused string) {
	t.Helper()
	c, response, err := s.handshake(offers, header)
	if err == nil {
		defer c.Close() //nolint:errcheck // it was there to be opened
		return c.await(t, "welcome").str("user"), ""
	}
	if response == nil || response.StatusCode == http.StatusSwitchingProtocols {
		t.Fatal(err)
	}
	return "", readReply(t, response).object(t).object("error").str("code")
}

// A room that one may not see and one that does not exist cannot be told apart: not with data in it, not with
// people, not deleted. Status, headers and body are the same. I6
func TestAccess_hidden(t *testing.T) {
	s := startForAccess(t)
	rooms := []string{"ours-full", "ours-busy", "ours-gone"}
	s.seed(t, "ours-full")
	s.join(t, "as-owner", "ours-busy")
	s.seed(t, "ours-gone")
	if err := s.hub.DeleteRoom(t.Context(), "ours-gone"); err != nil {
		t.Fatal(err)
	}
	for name, rule := range accessRules() {
		method, path, _ := strings.Cut(name, " ")
		if !strings.Contains(path, ":room") {
			continue
		}
		for _, who := range []string{"nobody", "expired", "forged", "tenant", "none"} {
			ask := func(room string) string {
				path := strings.NewReplacer(":room", room, ":session", "someone").Replace(path)
				got := s.call(t, method, path, accessPeople()[who], rule.body)
				got.header.Del("Date")
				return fmt.Sprint(got.status, got.header, string(got.body))
			}
			missing := ask("ours-none")
			for _, room := range rooms {
				if got := ask(room); got != missing {
					t.Errorf("%s as %s: %s answers\n%s\na missing room\n%s", name, who, room, got, missing)
				}
			}
		}
	}
}
