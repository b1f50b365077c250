package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// A page of another site cannot open a socket with its visitor's cookies; native clients can.
func TestSocket_Upgrade_origin(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Anonymous = true
		c.AllowedOrigins = []string{"https://good.example", "https://*.wide.example"}
	}})
	same := start(t, options{hub: func(c *flow.Config) { c.Anonymous = true }})
	cases := []struct {
		name    string
		server  *server
		origins []string
		allowed bool
	}{
		{"none", s, nil, true},
		{"listed", s, []string{"https://good.example"}, true},
		{"listed in capitals", s, []string{"https://GOOD.example"}, true},
		{"listed with its default port", s, []string{"https://good.example:443"}, true},
		{"sub-domain", s, []string{"https://a.b.wide.example"}, true},
		{"other", s, []string{"https://evil.example"}, false},
		{"other scheme", s, []string{"http://good.example"}, false},
		{"other port", s, []string{"https://good.example:8443"}, false},
		{"prefix of a listed one", s, []string{"https://good.example.evil.example"}, false},
		{"null", s, []string{"null"}, false},
		{"two", s, []string{"https://good.example", "https://good.example"}, false},
		{"same host by default", same, []string{"http://" + same.addr}, true},
		{"other host by default", same, []string{"http://evil.example"}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{}
			for _, o := range c.origins {
				header.Add("Origin", o)
			}
			ws, response, err := c.server.handshake(nil, header)
			if c.allowed {
				if err != nil {
					t.Fatal(err)
				}
				_ = ws.Close()
				return
			}
			if err == nil {
				t.Fatal("the socket was opened")
			}
			readReply(t, response).wantCode(t, flow.CodeForbidden)
		})
	}
}

func readReply(t *testing.T, response *http.Response) reply {
	t.Helper()
	defer response.Body.Close() //nolint:errcheck // the library hands over what it has read
	body := make([]byte, 1024)
	n, _ := response.Body.Read(body) // a short body ends with io.EOF
	return reply{response.StatusCode, response.Header, body[:n]}
}

// Who comes with bad credentials is refused before the upgrade; with none, a first message may follow.
func TestSocket_Upgrade_identity(t *testing.T) {
	const unknown = flow.CodeUnauthenticated
	s := start(t, options{})
	cases := []struct {
		name      string
		protocols []string
		header    http.Header
		refused   flow.Code // "" for an open socket
		user      any
	}{
		{name: "token as sub-protocol", protocols: []string{flow.Protocol, "flow.bearer.as-ann"}, user: "ann"},
		{name: "token alone as sub-protocol", protocols: []string{"flow.bearer.as-ann"}, user: "ann"},
		{name: "all characters of a token", protocols: []string{"flow.bearer.as-AZaz09-_.~"}, user: "AZaz09-_.~"},
		{name: "token in a header", header: http.Header{"Authorization": {"Bearer as-bob"}}, user: "bob"},
		{
			name: "header before sub-protocol", protocols: []string{"flow.bearer.as-ann"},
			header: http.Header{"Authorization": {"Bearer as-bob"}}, user: "bob",
		},
		{name: "nobody yet", protocols: []string{flow.Protocol}},
		{name: "two tokens", protocols: []string{"flow.bearer.as-ann", "flow.bearer.as-ann"}, refused: unknown},
		{name: "empty token", protocols: []string{"flow.bearer."}, refused: unknown},
		{name: "character outside the alphabet", protocols: []string{"flow.bearer.as+ann"}, refused: unknown},
		{name: "bad token", protocols: []string{"flow.bearer.forged"}, refused: unknown},
		{name: "expired token", protocols: []string{"flow.bearer.expired"}, refused: flow.CodeTokenExpired},
		{
			name: "bad header, good sub-protocol", protocols: []string{"flow.bearer.as-ann"},
			header: http.Header{"Authorization": {"Bearer forged"}}, refused: unknown,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ws, response, err := s.handshake(c.protocols, c.header)
			if c.refused != "" {
				if err == nil {
					t.Fatal("the socket was opened")
				}
				refusal := readReply(t, response)
				refusal.wantError(t, http.StatusUnauthorized, c.refused)
				if strings.Contains(string(refusal.body), "secret detail") {
					t.Errorf("the body tells the cause: %s", refusal.body)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close() //nolint:errcheck // the test is over
			if user := ws.await(t, "welcome")["user"]; user != c.user {
				t.Errorf("user %v, want %v", user, c.user)
			}
		})
	}
}

// The protocol is selected when it is offered, and a token is never sent back.
func TestSocket_Upgrade_subProtocol(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.Anonymous = true }})
	cases := []struct {
		name     string
		offered  []string
		selected string
	}{
		{"nothing", nil, ""},
		{"the protocol", []string{flow.Protocol}, flow.Protocol},
		{"others first", []string{"flow.v9", flow.Protocol}, flow.Protocol},
		{"with a token before it", []string{"flow.bearer.as-ann", flow.Protocol}, flow.Protocol},
		{"only a token", []string{"flow.bearer.as-ann"}, ""},
		{"only others", []string{"mqtt"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ws, response, err := s.handshake(c.offered, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close() //nolint:errcheck // the test is over
			if got := response.Header.Values("Sec-Websocket-Protocol"); strings.Join(got, ",") != c.selected {
				t.Errorf("selected %q, want %q", got, c.selected)
			}
			if extensions := response.Header.Get("Sec-Websocket-Extensions"); extensions != "" {
				t.Errorf("extensions %q", extensions)
			}
		})
	}
}

// A plain request to the socket's path is told what it is for.
func TestSocket_Upgrade_notAHandshake(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.Anonymous = true }})
	plain := s.call(t, http.MethodGet, "/ws", "", "")
	plain.wantError(t, http.StatusUpgradeRequired, flow.CodeInvalidMessage)
	if plain.header.Get("Upgrade") != "websocket" {
		t.Errorf("headers %v", plain.header)
	}
	incomplete := s.call(t, http.MethodGet, "/ws", "", "", "Connection", "Upgrade", "Upgrade", "websocket")
	incomplete.wantError(t, http.StatusUpgradeRequired, flow.CodeInvalidMessage)
}

// A server that goes away takes no new sockets and streams.
func TestSocket_Upgrade_draining(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.Anonymous = true }})
	if err := s.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, response, err := s.handshake(nil, nil)
	if err == nil {
		t.Fatal("the socket was opened")
	}
	readReply(t, response).wantCode(t, flow.CodeUnavailable)
	s.call(t, http.MethodGet, "/rooms/r/stream", "", "").wantCode(t, flow.CodeUnavailable)
}

// What the hub decides ends the socket with its bye and the code of the contract.
func TestSocket_Close_byTheHub(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.Anonymous = true }})
	t.Run("kicked", func(t *testing.T) {
		ws := s.dial(t, "as-kim")
		ws.await(t, "welcome")
		ws.send(t, `{"type":"join","id":"1","room":"kicks"}`)
		session := ws.await(t, "joined").str("session")
		path := "/rooms/kicks/sessions/" + session
		s.call(t, http.MethodDelete, path, "as-owner", "").wantStatus(t, http.StatusNoContent)
		ws.wantClose(t, flow.ByeKicked, flow.ByeKicked.CloseCode())
	})
	t.Run("replaced", func(t *testing.T) {
		first := s.dial(t, "as-kim")
		first.await(t, "welcome")
		first.send(t, `{"type":"join","id":"1","room":"twice"}`)
		resume := first.await(t, "joined").str("resume")
		second := s.dial(t, "as-kim")
		second.await(t, "welcome")
		second.send(t, `{"type":"join","id":"1","room":"twice","resume":"`+resume+`"}`)
		second.await(t, "joined")
		first.wantClose(t, flow.ByeReplaced, flow.ByeReplaced.CloseCode())
	})
}

// Who does not say who they are in time, and whose token ends, is told why (codes 4100 and 4101).
func TestSocket_Close_byTheClock(t *testing.T) {
	t.Parallel()
	s := start(t, options{hub: func(c *flow.Config) {
		c.AuthTimeout = 50 * time.Millisecond
		c.VerifyToken = func(context.Context, string) (flow.User, error) {
			return flow.User{ID: "ann", Expires: time.Now().Add(100 * time.Millisecond)}, nil
		}
	}})
	s.dial(t, "").wantClose(t, flow.ByeUnauthenticated, flow.ByeUnauthenticated.CloseCode())
	s.dial(t, "as-ann").wantClose(t, flow.ByeTokenExpired, flow.ByeTokenExpired.CloseCode())
}

// A client that says good-bye gets its own code back, and the connection ends.
func TestSocket_Close_byTheClient(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.Anonymous = true }})
	for _, code := range []int{websocket.CloseNormalClosure, websocket.CloseGoingAway, 4321} {
		ws := s.dial(t, "")
		ws.await(t, "welcome")
		farewell := websocket.FormatCloseMessage(code, "")
		if err := ws.WriteMessage(websocket.CloseMessage, farewell); err != nil {
			t.Fatal(err)
		}
		ws.wantClose(t, "", code)
	}
	raw := s.dialRaw(t)
	raw.write(t, masked(0x88, nil))
	if code, _ := raw.closing(t); code != websocket.CloseNoStatusReceived {
		t.Errorf("close code %d", code)
	}
	raw.wantEnd(t)
	eventually(t, "all sockets are gone", func() bool { return s.hub.Stats().Connections == 0 })
}
