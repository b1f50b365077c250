package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
)

const forwardedFor = "X-Forwarded-For"

func behindProxy(c *flow.Config) {
	c.Anonymous = true
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// The address of a request is its connection's, whatever the client and the settings of Fiber say; only
// proxies that the hub trusts may name another.
func TestRequest_Address(t *testing.T) {
	for name, c := range map[string]struct {
		trusted   bool
		forwarded []string
		want      string
	}{
		"forged":             {false, []string{"203.0.113.7"}, "127.0.0.1"},
		"none":               {true, nil, "127.0.0.1"},
		"named by the proxy": {true, []string{"203.0.113.7"}, "203.0.113.7"},
		"forged before":      {true, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"several lines":      {true, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"nonsense":           {true, []string{"<script>"}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remotes := make(chan string, 2)
			s := start(t, options{
				hub: func(config *flow.Config) {
					if c.trusted {
						behindProxy(config)
					}
					config.Authenticate = func(_ context.Context, r flow.Request) (*flow.User, error) {
						remotes <- r.Remote
						return &flow.User{ID: "ann"}, nil
					}
				},
				fiber: fiber.Config{ProxyHeader: forwardedFor},
			})
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/rooms/r/participants", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header[forwardedFor] = c.forwarded
			response, err := s.http.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			readReply(t, response).wantStatus(t, http.StatusOK)
			ws, _, err := s.handshake(nil, http.Header{forwardedFor: c.forwarded})
			if err != nil {
				t.Fatal(err)
			}
			_ = ws.Close()
			for range 2 {
				if got := <-remotes; got != c.want {
					t.Errorf("address %q, want %q", got, c.want)
				}
			}
		})
	}
}

// An address that asks too much is refused on every route, before anything else is done for it. Others
// are not, and whoever asks whether the process lives is answered.
func TestRequest_Address_rate(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		behindProxy(c)
		c.Quotas.AddressRequestsPerSecond = 1
	}})
	const noisy, quiet = "203.0.113.7", "198.51.100.1"
	ids := strings.NewReplacer(":room", "r", ":session", "s", ":user", "u")
	for _, r := range handlers.Routes() {
		if r.Path == "/health/live" {
			continue
		}
		var answer reply
		eventually(t, r.Method+" "+r.Path+" is refused", func() bool { // now and then a token comes back
			answer = s.call(t, r.Method, ids.Replace(r.Path), "bad", "", forwardedFor, noisy)
			return answer.status == http.StatusTooManyRequests
		})
		answer.wantCode(t, flow.CodeRateLimited)
		if answer.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", r.Method, r.Path)
		}
	}
	for range 5 {
		s.call(t, http.MethodGet, "/health/live", "", "", forwardedFor, noisy).wantStatus(t, http.StatusOK)
	}
	s.call(t, http.MethodGet, "/client.js", "", "", forwardedFor, quiet).wantStatus(t, http.StatusOK)
}

// Sockets and streams share the places of their user, of their address and of the instance. Who finds
// none is told so before the upgrade; a place that is left is free again.
func TestSocket_Upgrade_places(t *testing.T) {
	const here, elsewhere = "203.0.113.7", "198.51.100.1"
	for name, c := range map[string]struct {
		quotas       flow.Quotas
		first        [2]string // a user and an address
		refused, yes [2]string
		code         flow.Code
	}{
		"user": {
			flow.Quotas{UserSockets: 2}, [2]string{"ann", here},
			[2]string{"ann", elsewhere}, [2]string{"bob", here}, flow.CodeRateLimited,
		},
		"address": {
			flow.Quotas{AddressSockets: 2}, [2]string{"ann", here},
			[2]string{"bob", here}, [2]string{"ann", elsewhere}, flow.CodeRateLimited,
		},
		"instance": {
			flow.Quotas{Sockets: 2}, [2]string{"ann", here},
			[2]string{"bob", elsewhere}, [2]string{}, flow.CodeUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{hub: func(config *flow.Config) { behindProxy(config); config.Quotas = c.quotas }})
			open := func(who [2]string) (*socket, *http.Response, error) {
				return s.handshake([]string{"flow.bearer.as-" + who[0]}, http.Header{forwardedFor: {who[1]}})
			}
			ws, _, err := open(c.first)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close() //nolint:errcheck // the test is over
			s.stream(t, "/rooms/r/stream", "as-"+c.first[0], forwardedFor, c.first[1]).await(t, "joined")

			_, response, err := open(c.refused)
			if err == nil {
				t.Fatal("a third socket was opened")
			}
			readReply(t, response).wantCode(t, c.code)
			s.call(t, http.MethodGet, "/rooms/r/stream", "as-"+c.refused[0], "", forwardedFor, c.refused[1]).
				wantCode(t, c.code)
			if c.yes[0] != "" {
				other, _, err := open(c.yes)
				if err != nil {
					t.Fatalf("somebody else: %v", err)
				}
				_ = other.Close()
			}
			_ = ws.Close()
			eventually(t, "the place is free", func() bool {
				again, _, err := open(c.first)
				if err == nil {
					_ = again.Close()
				}
				return err == nil
			})
		})
	}
}

// A user that may ask so much over REST is told when to come back; anonymous ones are counted together by
// their address.
func TestRequest_UserRate(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		behindProxy(c)
		c.Quotas.UserRequestsPerSecond = 1
	}})
	for i, who := range []string{"as-ann", ""} {
		from := fmt.Sprintf("203.0.113.%d", i)
		eventually(t, "the user is refused", func() bool {
			answer := s.call(t, http.MethodGet, "/rooms/r/participants", who, "", forwardedFor, from)
			if answer.status == http.StatusTooManyRequests {
				answer.wantCode(t, flow.CodeRateLimited)
			}
			return answer.status == http.StatusTooManyRequests
		})
	}
	for _, other := range [][2]string{{"as-bob", "203.0.113.0"}, {"", "198.51.100.1"}} {
		s.call(t, http.MethodGet, "/rooms/r/participants", other[0], "", forwardedFor, other[1]).
			wantStatus(t, http.StatusOK)
	}
}
