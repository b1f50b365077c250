package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// secretCause is what no client may ever read.
const secretCause = "ldap: bind with hunter2 refused"

// callers counts who was asked about whom.
type callers struct{ hook, token, admin int }

// request returns a request with an Authorization header, a token of another place and a cookie.
func request(authorization, token, cookie string) flow.Request {
	return flow.Request{
		Token: token,
		Header: func(name string) string {
			if name == "Authorization" {
				return authorization
			}
			return ""
		},
		Cookie: func(name string) string {
			if name == "session" {
				return cookie
			}
			return ""
		},
		Local:  func(string) any { return nil },
		Remote: "192.0.2.1:1234",
	}
}

// sources is a configuration in which every source can be good, absent, bad or expired.
func sources(asked *callers) flow.Config {
	return flow.Config{
		Authenticate: func(_ context.Context, r flow.Request) (*flow.User, error) {
			asked.hook++
			switch cookie := r.Cookie("session"); cookie {
			case "":
				return nil, nil
			case "bad":
				return nil, errors.New(secretCause)
			case "old":
				return &flow.User{ID: "late", Expires: time.Now().Add(-time.Hour)}, nil
			default:
				return &flow.User{ID: "cookie:" + cookie}, nil
			}
		},
		VerifyToken: func(_ context.Context, token string) (flow.User, error) {
			asked.token++
			name, good := strings.CutPrefix(token, "good-")
			switch {
			case good:
				return flow.User{ID: "token:" + name, Claims: map[string]any{"k": "v"}}, nil
			case token == "expired":
				return flow.User{ID: "late", Expires: time.Now().Add(-time.Hour)}, nil
			case token == "said":
				return flow.User{}, fmt.Errorf("verify: %w", &flow.Error{
					Code: flow.CodeTokenExpired, Message: "renew it", Err: errors.New(secretCause),
				})
			case token == "away":
				return flow.User{}, flow.Unavailable(errors.New(secretCause))
			case strings.HasPrefix(token, "id="):
				return flow.User{ID: token[3:]}, nil
			default:
				return flow.User{ID: "nobody"}, errors.New(secretCause)
			}
		},
	}
}

// wantSafe fails when an error shows its cause, or nothing.
func wantSafe(t *testing.T, err error) {
	t.Helper()
	if message := flow.ErrorMessage(err); message == "" || strings.Contains(message, "hunter2") {
		t.Errorf("a client reads %q", message)
	}
}

// identification is a request, and what must become of it.
type identification struct {
	name    string
	request flow.Request
	user    string
	code    flow.Code
	asked   callers
}

// identify checks who a hub with all sources takes the senders of requests for, and whom it asks.
func identify(t *testing.T, cases []identification) {
	t.Helper()
	var asked callers
	cfg := sources(&asked)
	cfg.Anonymous = true
	cfg.AdminToken = "the-admin-token"
	h := newHub(t, cfg)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			asked = callers{}
			user, err := h.Identify(t.Context(), tc.request)
			if flow.ErrorCode(err) != tc.code || (err == nil) != (user != nil) {
				t.Fatalf("got %+v, %v", user, err)
			}
			if asked != tc.asked {
				t.Errorf("asked %+v, want %+v", asked, tc.asked)
			}
			if err != nil {
				wantSafe(t, err)
				return
			}
			if user.ID != tc.user || user.Anonymous || user.Admin != (tc.user == "admin") {
				t.Errorf("got %+v", user)
			}
		})
	}
}

// The first source that is present decides: the application's own credentials, Authorization, the token
// of another place. I6
func TestHub_Identify(t *testing.T) {
	hook, both := callers{hook: 1}, callers{hook: 1, token: 1}
	identify(t, []identification{
		{"hook", request("", "", "ann"), "cookie:ann", "", hook},
		{"hook before all", request("Bearer good-a", "good-b", "ann"), "cookie:ann", "", hook},
		{"hook before the admin token", request("Bearer the-admin-token", "", "ann"), "cookie:ann", "", hook},
		{"header", request("Bearer good-a", "", ""), "token:a", "", both},
		{"header before the other token", request("Bearer good-a", "good-b", ""), "token:a", "", both},
		{"scheme in other letters", request("bEARER   good-a ", "", ""), "token:a", "", both},
		{"other token", request("", "good-b", ""), "token:b", "", both},
		{"admin token", request("Bearer the-admin-token", "", ""), "admin", "", hook},
		{"admin token of another place", request("", "the-admin-token", ""), "admin", "", hook},
	})
}

// A bad source is 401: never the next source, never anonymous. I6
func TestHub_IdentifyBad(t *testing.T) {
	const no = flow.CodeUnauthenticated
	hook, both := callers{hook: 1}, callers{hook: 1, token: 1}
	identify(t, []identification{
		{"hook", request("Bearer good-a", "good-b", "bad"), "", no, hook},
		{"hook, expired", request("Bearer good-a", "good-b", "old"), "", flow.CodeTokenExpired, hook},
		{"hook and the admin token", request("Bearer the-admin-token", "", "bad"), "", no, hook},
		{"header", request("Bearer bad", "good-b", ""), "", no, both},
		{"other token", request("", "bad", ""), "", no, both},
		{"other scheme", request("Basic Z29vZC1h", "good-b", ""), "", no, hook},
		{"no scheme", request("good-a", "good-b", ""), "", no, hook},
		{"no token", request("Bearer", "good-b", ""), "", no, hook},
		{"blank token", request("Bearer   ", "good-b", ""), "", no, hook},
		{"expired", request("Bearer expired", "good-b", ""), "", flow.CodeTokenExpired, both},
		{"expired, as the hook says", request("Bearer said", "good-b", ""), "", flow.CodeTokenExpired, both},
		{"hook's backend away", request("Bearer away", "good-b", ""), "", no, both},
		{"nearly the admin token", request("Bearer the-admin-toke", "", ""), "", no, both},
		{"admin token and more", request("Bearer the-admin-token2", "", ""), "", no, both},
		{"admin token in other letters", request("Bearer The-Admin-Token", "", ""), "", no, both},
	})
}

// A user id has 1 to 255 bytes of UTF-8 without NUL, whoever says it.
func TestHub_IdentifyID(t *testing.T) {
	const no = flow.CodeUnauthenticated
	hook, both := callers{hook: 1}, callers{hook: 1, token: 1}
	longest := strings.Repeat("x", 255)
	identify(t, []identification{
		{"empty", request("Bearer id=", "", ""), "", no, both},
		{"longest", request("Bearer id="+longest, "", ""), longest, "", both},
		{"too long", request("Bearer id=x"+longest, "", ""), "", no, both},
		{"no UTF-8", request("Bearer id=\xff", "", ""), "", no, both},
		{"NUL", request("Bearer id=a\x00b", "", ""), "", no, both},
		{"too long from the hook", request("", "", longest), "", no, hook},
	})
}

// With no source at all the configuration decides.
func TestHub_IdentifyNobody(t *testing.T) {
	verify := sources(&callers{}).VerifyToken
	nobody := request("", "", "")

	// Anonymous users get an id of their own each time.
	t.Run("anonymous", func(t *testing.T) {
		h := newHub(t, flow.Config{Anonymous: true, VerifyToken: verify})
		one, err := h.Identify(t.Context(), nobody)
		if err != nil {
			t.Fatal(err)
		}
		two, err := h.Identify(t.Context(), nobody)
		if err != nil || !one.Anonymous || one.Admin || !one.Expires.IsZero() || one.ID == two.ID {
			t.Errorf("got %+v and %+v, %v", one, two, err)
		}
	})

	// Where a token may still come in a first message there is no user yet, and no error.
	t.Run("later", func(t *testing.T) {
		for _, cfg := range []flow.Config{{VerifyToken: verify}, {AdminToken: "x"}} {
			if user, err := newHub(t, cfg).Identify(t.Context(), nobody); user != nil || err != nil {
				t.Errorf("got %+v, %v", user, err)
			}
		}
	})

	// Where no token can ever be good, nobody gets in, with a token neither.
	t.Run("never", func(t *testing.T) {
		h := newHub(t, flow.Config{})
		for _, r := range []flow.Request{nobody, request("Bearer x", "", ""), request("", "x", "")} {
			if user, err := h.Identify(t.Context(), r); user != nil || flow.ErrorCode(err) != flow.CodeUnauthenticated {
				t.Errorf("got %+v, %v", user, err)
			}
		}
	})

	// An empty admin token is none: nobody becomes admin by sending nothing.
	t.Run("empty admin token", func(t *testing.T) {
		c := dialAs(t, newHub(t, flow.Config{VerifyToken: verify}), nil)
		for _, m := range []msg{{"type": "auth"}, {"type": "auth", "token": ""}} {
			if got := c.request(m); got.str("code") != "unauthenticated" {
				t.Errorf("%v got %v", m, got)
			}
		}
	})
}

// A token is good until it expires, with the contract's leeway of five seconds to the moment; one without
// an end does not expire.
func TestHub_IdentifyExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var expires time.Time
		h, err := flow.New(memory(flow.Config{VerifyToken: func(context.Context, string) (flow.User, error) {
			return flow.User{ID: "ann", Expires: expires}, nil
		}}))
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			at   time.Time
			code flow.Code
		}{
			"never": {time.Time{}, ""}, "in a moment": {time.Now().Add(time.Nanosecond), ""},
			"late":     {time.Now().Add(time.Nanosecond - 5*time.Second), ""},
			"too late": {time.Now().Add(-5 * time.Second), flow.CodeTokenExpired},
			"long ago": {time.Unix(1, 0), flow.CodeTokenExpired},
		} {
			expires = tc.at
			user, err := h.Identify(t.Context(), request("Bearer x", "", ""))
			if flow.ErrorCode(err) != tc.code || (err == nil && !user.Expires.Equal(tc.at)) {
				t.Errorf("%s: got %+v, %v", name, user, err)
			}
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Admin routes open for the admin token and the Admin hook. Wrong credentials are 401, good ones
// without the right 403, and so is everything where nobody can be admin.
func TestHub_RequireAdmin(t *testing.T) {
	var asked callers
	hook := func(_ context.Context, r flow.Request) (bool, error) {
		asked.admin++
		if r.Cookie("session") == "broken" {
			return true, errors.New(secretCause)
		}
		return r.Cookie("session") == "boss", nil
	}
	none, token, hooked := sources(&asked), sources(&asked), sources(&asked)
	token.AdminToken = "the-admin-token"
	hooked.AdminToken, hooked.Admin = token.AdminToken, hook
	open := token
	open.Anonymous = true
	hubs := map[string]*flow.Hub{
		"none": newHub(t, none), "token": newHub(t, token), "hook": newHub(t, hooked), "anonymous": newHub(t, open),
	}
	for _, tc := range []struct {
		name, hub string
		request   flow.Request
		code      flow.Code
	}{
		{"nobody can be admin", "none", request("Bearer good-a", "", "boss"), flow.CodeForbidden},
		{"nobody can be admin, wrong token", "none", request("Bearer bad", "", ""), flow.CodeForbidden},
		{"nobody can be admin, no token", "none", request("", "", ""), flow.CodeForbidden},
		{"admin token", "token", request("Bearer the-admin-token", "", ""), ""},
		{"admin token beside a cookie", "token", request("Bearer the-admin-token", "", "ann"), ""},
		{"admin token of another place", "token", request("", "the-admin-token", ""), ""},
		{"wrong token", "token", request("Bearer the-admin-token2", "", ""), flow.CodeUnauthenticated},
		{"no bearer token", "token", request("Basic the-admin-token", "", ""), flow.CodeUnauthenticated},
		{"expired token", "token", request("Bearer expired", "", ""), flow.CodeTokenExpired},
		{"nothing", "token", request("", "", ""), flow.CodeUnauthenticated},
		{"anonymous", "anonymous", request("", "", ""), flow.CodeUnauthenticated},
		{"good user", "token", request("Bearer good-a", "", ""), flow.CodeForbidden},
		{"good cookie", "token", request("", "", "ann"), flow.CodeForbidden},
		{"bad cookie", "token", request("", "", "bad"), flow.CodeUnauthenticated},
		{"hook says yes", "hook", request("", "", "boss"), ""},
		{"hook says no", "hook", request("", "", "ann"), flow.CodeForbidden},
		{"hook says no to nobody", "hook", request("", "", ""), flow.CodeUnauthenticated},
		{"hook fails", "hook", request("", "", "broken"), flow.CodeInternal},
		{"admin token, hook not asked", "hook", request("Bearer the-admin-token", "", "broken"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := hubs[tc.hub].RequireAdmin(t.Context(), tc.request)
			if flow.ErrorCode(err) != tc.code {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				wantSafe(t, err)
			}
		})
	}
}

// Access is what the application says. A room that one may not see and one that does not exist answer
// the same, and no answer tells why. I6
func TestHub_Require(t *testing.T) {
	asked := 0
	h := newHub(t, flow.Config{Authorize: func(_ context.Context, _ flow.User, room string) (flow.Access, error) {
		asked++
		if room == "broken" {
			return flow.Owner, errors.New(secretCause)
		}
		level, _ := flow.ParseAccess(room)
		return level, nil
	}})
	levels := []flow.Access{flow.None, flow.Viewer, flow.Editor, flow.Owner}
	var refused []string
	for _, has := range levels {
		for _, least := range levels {
			err := h.Require(t.Context(), flow.User{ID: "ann"}, has.String(), least)
			if (err == nil) != (has >= least) || (err != nil && flow.ErrorCode(err) != flow.CodeForbidden) {
				t.Errorf("%v where %v is needed got %v", has, least, err)
			}
			if err != nil {
				refused = append(refused, flow.ErrorMessage(err))
			}
		}
	}
	err := h.Require(t.Context(), flow.User{ID: "ann"}, "broken", flow.Viewer)
	if flow.ErrorCode(err) != flow.CodeUnavailable || flow.ErrorRetryAfter(err) == 0 {
		t.Errorf("a broken hook got %v; a client that may come in later must not take it for a no", err)
	}
	wantSafe(t, err)
	for _, message := range refused {
		if message != refused[0] {
			t.Errorf("answers differ: %q and %q", message, refused[0])
		}
	}

	// Who acts with the admin token owns every room, without asking; a bad id is told to everybody.
	asked = 0
	if err := h.Require(t.Context(), flow.User{ID: "admin", Admin: true}, "none", flow.Owner); err != nil || asked > 0 {
		t.Errorf("admin got %v, asked %d times", err, asked)
	}
	for _, u := range []flow.User{{ID: "ann"}, {ID: "admin", Admin: true}} {
		err := h.Require(t.Context(), u, "a/b", flow.None)
		if flow.ErrorCode(err) != flow.CodeInvalidRoom || asked > 0 {
			t.Errorf("a bad id got %v, asked %d times", err, asked)
		}
	}
}

// Requests of one user have a budget of their own, and who waits as told gets on. I9
func TestHub_AllowRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := flow.New(memory(flow.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		ann, bob := flow.Client{User: &flow.User{ID: "ann"}}, flow.Client{User: &flow.User{ID: "bob"}}
		for i := range 200 {
			if err := h.AllowRequest(ann); err != nil {
				t.Fatalf("request %d got %v", i+1, err)
			}
		}
		refused := h.AllowRequest(ann)
		if flow.ErrorCode(refused) != flow.CodeRateLimited || flow.ErrorRetryAfter(refused) <= 0 {
			t.Errorf("beyond the burst: %v", refused)
		}
		if err := h.AllowRequest(bob); err != nil {
			t.Errorf("another user got %v", err)
		}
		<-time.After(flow.ErrorRetryAfter(refused)) // synctest's clock
		if err := h.AllowRequest(ann); err != nil {
			t.Errorf("after the wait: %v", err)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
