package handlers_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/fiberflow/flow"
)

// Admins see where somebody is, and users where they are themselves.
func TestSession_List(t *testing.T) {
	s := start(t, options{})
	const user = "zoë/ñ %"
	s.hubUser(t, user, "r1")
	s.hubUser(t, user, "r2")
	s.join(t, "as-other", "r1")
	path := "/users/" + url.PathEscape(user) + "/sessions"
	for _, token := range []string{adminToken, "as-" + user} {
		list := s.call(t, http.MethodGet, path, token, "").wantStatus(t, http.StatusOK).object(t).list("sessions")
		rooms := map[string]bool{}
		for _, entry := range list {
			session := msg(entry.(map[string]any))
			rooms[session.str("room")] = true
			if session.str("user") != user || session.str("session") == "" ||
				session.str("instance") != s.hub.Instance() || session["presence"] == nil ||
				session.object("profile").str("color") == "" {
				t.Errorf("session %v", session)
			}
		}
		if len(list) != 2 || !rooms["r1"] || !rooms["r2"] {
			t.Errorf("sessions %v", list)
		}
	}
	s.call(t, http.MethodGet, path, "as-other", "").wantCode(t, flow.CodeForbidden)
	empty := s.call(t, http.MethodGet, "/users/nobody/sessions", adminToken, "").wantStatus(t, http.StatusOK)
	if string(empty.body) != `{"sessions":[]}` {
		t.Errorf("body %s", empty.body)
	}
}

// hubUser joins a room as a user whose name a sub-protocol cannot carry.
func (s *server) hubUser(t *testing.T, user, room string) {
	t.Helper()
	ws, _, err := s.handshake(nil, http.Header{"Authorization": {"Bearer as-" + user}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	ws.send(t, `{"type":"join","id":"1","room":"`+room+`"}`)
	ws.await(t, "joined")
}

// Owners end a session, admins all sessions of a user; the others stay.
func TestSession_Kick(t *testing.T) {
	s := start(t, options{})
	victim, witness := s.dial(t, "as-victim"), s.join(t, "as-witness", "r")
	victim.send(t, `{"type":"join","id":"1","room":"r"}`)
	session := victim.await(t, "joined").str("session")
	path := "/rooms/r/sessions/" + session
	s.call(t, http.MethodDelete, path, "as-editor", "").wantCode(t, flow.CodeForbidden)
	s.call(t, http.MethodDelete, "/rooms/other/sessions/"+session, "as-owner", "").
		wantCode(t, flow.CodeNotFound)
	s.call(t, http.MethodDelete, path, "as-owner", "").wantStatus(t, http.StatusNoContent)
	if left := victim.await(t, "left"); left.str("reason") != "kicked" {
		t.Errorf("left %v", left)
	}
	victim.wantClose(t, flow.ByeKicked, flow.ByeKicked.CloseCode())
	s.call(t, http.MethodDelete, path, "as-owner", "").wantCode(t, flow.CodeNotFound)

	again := s.join(t, "as-victim", "r")
	s.call(t, http.MethodDelete, "/users/victim/sessions", adminToken, "").wantStatus(t, http.StatusNoContent)
	again.wantClose(t, flow.ByeKicked, flow.ByeKicked.CloseCode())
	witness.send(t, `{"type":"ping","id":"1"}`)
	witness.await(t, "pong")
}
