package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// member makes somebody whose name no header can carry a member of a room, and an author there.
func (s *server) member(t *testing.T, user, room string) *socket {
	t.Helper()
	ws := s.dial(t, "")
	ws.await(t, "welcome")
	token, err := json.Marshal("as-" + user)
	if err != nil {
		t.Fatal(err)
	}
	ws.send(t, `{"type":"auth","id":"a","token":`+string(token)+`}`)
	ws.await(t, "ok")
	ws.send(t, `{"type":"join","id":"j","room":"`+room+`"}`)
	ws.await(t, "joined")
	ws.send(t, `{"type":"op","room":"`+room+`","n":1,"data":{"mallory":"secret"}}`)
	ws.await(t, "op")
	return ws
}

// hostileIDs are ids of users that would be something else, if anybody took them for part of a path, of a pattern,
// of a key or of a line.
func hostileIDs() []string {
	return []string{
		"a/b", "a/sessions", "/", "..", ".", "../../rooms/r", "a%b", "a%2Fb", "%", "%00", "%2e%2e", "a?limit=1", "a#b",
		"a;b",
		"a b", "a+b", "a:b", "a}b{", "*", "[a-z]", "?", "a\\b", "a\r\nX-Injected: 1", "a\nlevel=ERROR injected=1",
		"é\u202E", "\x7f", "sessions:rooms", "admin", "__proto__", strings.Repeat("x", 255), strings.Repeat("ü", 127),
	}
}

// escapedFully writes every byte of an id as an escape, also those that need none.
func escapedFully(id string) string {
	var path strings.Builder
	for i := range len(id) {
		fmt.Fprintf(&path, "%%%02X", id[i])
	}
	return path.String()
}

// Whatever the id of a user is, its routes are about that user and nobody else: where they are, messages to them,
// and the end of their sessions. I6
func TestSession_hostileUsers(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Quotas.UserRequestsPerSecond = 1 << 20
		c.Authorize = func(ctx context.Context, user flow.User, room string) (flow.Access, error) {
			if room == "logged" {
				return flow.None, errors.New("no answer about " + user.ID)
			}
			return authorize(ctx, user, room)
		}
	}})
	ids, sockets := hostileIDs(), map[string]*socket{}
	for i, id := range ids {
		sockets[id] = s.member(t, id, fmt.Sprint("room-", i))
		sockets[id].send(t, `{"type":"join","id":"l","room":"logged"}`)
		sockets[id].await(t, "error")
	}
	s.log.mu.Lock()
	lines := strings.Count(s.log.text.String(), "no answer about")
	s.log.mu.Unlock()
	if lines != len(ids) {
		t.Fatalf("%d lines about %d people", lines, len(ids))
	}
	for i, id := range ids {
		for _, escaped := range []string{url.PathEscape(id), escapedFully(id)} {
			path := "/users/" + escaped
			list := s.call(t, http.MethodGet, path+"/sessions", adminToken, "").wantStatus(t, http.StatusOK).object(t)
			found := list.list("sessions")
			if len(found) != 1 || msg(found[0].(map[string]any)).str("room") != fmt.Sprint("room-", i) {
				t.Errorf("%q: %v", id, list)
			}
			s.call(t, http.MethodPost, path+"/events", adminToken, fmt.Sprintf(`{"name":"for","data":%d}`, i)).
				wantStatus(t, http.StatusAccepted)
			if event := sockets[id].await(t, "event"); event["data"] != float64(i) {
				t.Errorf("%q got %v", id, event)
			}
			s.call(t, http.MethodGet, path+"/sessions", "as-ann", "").wantCode(t, flow.CodeForbidden)
			s.call(t, http.MethodDelete, path+"/sessions", "as-ann", "").wantCode(t, flow.CodeForbidden)
		}
	}
	for i, id := range ids {
		path := "/users/" + escapedFully(id) + "/sessions"
		s.call(t, http.MethodDelete, path, adminToken, "").wantStatus(t, http.StatusNoContent)
		sockets[id].wantClose(t, flow.ByeKicked, flow.ByeKicked.CloseCode())
		if left := int64(len(ids) - i - 1); s.hub.Stats().Sessions != left {
			t.Fatalf("after %q %d sessions are left, want %d", id, s.hub.Stats().Sessions, left)
		}
	}
	s.wantWholeLines(t)
}

// What cannot be the id of a user or of a session is refused as such, and touches nobody.
func TestSession_impossibleIDs(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.Quotas.UserRequestsPerSecond = 1 << 20 }})
	witness := s.join(t, "as-witness", "r")
	long := strings.Repeat("x", 256)
	for _, id := range []string{"a\x00b", "\x00", "\xff", "a\xc3", long, long + long + long} {
		path := "/users/" + escapedFully(id)
		s.call(t, http.MethodGet, path+"/sessions", adminToken, "").wantCode(t, flow.CodeInvalidMessage)
		s.call(t, http.MethodDelete, path+"/sessions", adminToken, "").wantCode(t, flow.CodeInvalidMessage)
		s.call(t, http.MethodPost, path+"/events", adminToken, `{"name":"n"}`).wantCode(t, flow.CodeInvalidMessage)
		s.call(t, http.MethodGet, path+"/sessions", "as-ann", "").wantCode(t, flow.CodeForbidden)
		list := "/rooms?after=" + url.QueryEscape(id)
		s.call(t, http.MethodGet, list, adminToken, "").wantCode(t, flow.CodeInvalidMessage)
	}
	for _, id := range append(hostileIDs(), "a\x00b", "\xff", "A", strings.Repeat("x", 65)) {
		for _, token := range []string{"as-owner", adminToken} {
			session, room := "/rooms/r/sessions/"+escapedFully(id), "/rooms/"+escapedFully(id+"/")
			s.call(t, http.MethodDelete, session, token, "").wantCode(t, flow.CodeNotFound)
			s.call(t, http.MethodDelete, room, token, "").wantCode(t, flow.CodeInvalidRoom)
		}
	}
	witness.send(t, `{"type":"ping","id":"1"}`)
	witness.await(t, "pong")
	s.wantWholeLines(t)
}

// Where the host lets Fiber decode paths before it looks for a route, an id with a slash may be a path of its own;
// what it leads to asks for the same access as ever.
func TestSession_unescapedPaths(t *testing.T) {
	s := start(t, options{fiber: fiber.Config{UnescapePath: true}, hub: func(c *flow.Config) {
		c.Quotas.UserRequestsPerSecond = 1 << 20
	}})
	witness := s.join(t, "as-a", "r")
	paths := []string{"a/sessions?", "../rooms/r", "a/../../rooms/r", "r/sessions/", "\x00", "\xff"}
	for _, id := range append(hostileIDs(), paths...) {
		for _, path := range []string{"/users/" + escapedFully(id) + "/sessions", "/rooms/" + escapedFully(id)} {
			got := s.call(t, http.MethodDelete, path, "as-ann", "")
			if got.status != http.StatusForbidden && got.status != http.StatusNotFound &&
				got.status != http.StatusMethodNotAllowed && got.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
	}
	witness.send(t, `{"type":"ping","id":"1"}`)
	witness.await(t, "pong")
}

// wantWholeLines checks that nothing that was logged begins a line of its own.
func (s *server) wantWholeLines(t *testing.T) {
	t.Helper()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for line := range strings.Lines(s.log.text.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\u202E\x00") {
			t.Errorf("log line %q", line)
		}
	}
}
