package flow_test

import (
	"context"
	"maps"
	"testing"

	"github.com/fiberflow/flow"
)

// claiming is a message with everything in it that a client might want to be believed.
func claiming(m msg, session string) msg {
	claims := msg{
		"id": "x", "user": "eve", "session": session, "anonymous": false,
		"access": "owner", "admin": true, "instance": "one",
		"profile": msg{"name": "Boss", "color": "#000000"}, "name": "x", "time": 1, "seq": 1, "connection": "c",
		"participants": []string{}, "claims": msg{"rooms": msg{"*": "owner"}}, "expires": 1, "owner": session,
	}
	maps.Copy(claims, m)
	return claims
}

// accessByName gives access by the name of the user.
func accessByName(_ context.Context, user flow.User, _ string) (flow.Access, error) {
	if access, ok := flow.ParseAccess(user.ID); ok {
		return access, nil
	}
	return flow.Editor, nil
}

// Who somebody is and what that one may do is known from the connection alone: what messages say of it is ignored,
// on this instance and on others. I6
func TestCluster_ClaimsAreIgnored(t *testing.T) {
	onCluster(t, flow.Config{Authorize: accessByName, VerifyToken: verify}, func(t *testing.T, one, two *flow.Hub) {
		bob := dial(t, two, "bob")
		bobs := bob.join("r").str("session")
		ann := dial(t, one, "ann")
		j := ann.join("r", claiming(nil, bobs))
		session := j.str("session")
		if session == bobs || j.str("access") != "editor" {
			t.Errorf("joined is %v", j)
		}
		ann.send(claiming(msg{"type": "op", "room": "r", "n": 1, "data": 1}, bobs))
		if op := bob.expect("op"); op.str("user") != "ann" || op.str("session") != session || op.num("time") == 1 {
			t.Errorf("op is %v", op)
		}
		ann.send(claiming(msg{"type": "event", "room": "r", "data": 1}, bobs))
		if e := bob.expect("event"); e.str("user") != "ann" || e.str("session") != session {
			t.Errorf("event is %v", e)
		}
		ann.request(claiming(msg{"type": "presence", "room": "r", "data": msg{"me": "bob"}}, bobs))
		eventually(t, "ann's presence is hers", func() bool {
			shown := map[string]string{}
			all, err := two.Participants(t.Context(), "r", "", 10)
			for _, p := range all {
				shown[p.Session] = p.User + string(p.Presence) + p.Profile.Name
			}
			return err == nil && maps.Equal(shown, map[string]string{bobs: "bob{}bob", session: `ann{"me":"bob"}ann`})
		})
		ann.request(claiming(msg{"type": "auth", "token": "user:ann"}, bobs))
		ann.request(claiming(msg{"type": "leave", "room": "r"}, bobs))
		eventually(t, "bob is alone", func() bool {
			all, err := two.Participants(t.Context(), "r", "", 10)
			return err == nil && len(all) == 1 && all[0].Session == bobs && all[0].User == "bob"
		})
		if n := bob.count("left") + bob.count("bye"); n > 0 {
			t.Errorf("another's claims touched bob: %s", bob.transcript())
		}
	})
}

// Nobody gets a right by claiming it: who may only look is refused everything else, and who may not even look learns
// nothing. I6
func TestConn_ClaimedAccess(t *testing.T) {
	h := newHub(t, flow.Config{Authorize: accessByName, VerifyToken: verify})
	editor, viewer, stranger := dial(t, h, "editor"), dial(t, h, "viewer"), dial(t, h, "none")
	session := editor.join("r").str("session")
	editor.op("r", 1, 1)
	editor.expect("op")
	if got := editor.request(msg{"type": "lock", "room": "r", "name": "x"}); got.str("type") != "ok" {
		t.Fatalf("lock answered %v", got)
	}
	if j := viewer.join("r", claiming(nil, session)); j.str("access") != "viewer" {
		t.Errorf("joined is %v", j)
	}
	for _, m := range everyType() {
		kind, _ := m["type"].(string)
		want, refusal := "forbidden", "error"
		switch kind {
		case "join", "leave", "presence", "unlock":
			continue // who looks may do that for itself
		case "op":
			refusal = "nack"
		case "kick":
			want = "unknown_type"
		}
		viewer.send(claiming(m, session))
		got := viewer.find(func(m msg) bool { return m.str("type") == refusal })
		if got.str("code") != want {
			t.Errorf("%s of a viewer got %v", kind, got)
		}
	}
	viewer.request(claiming(msg{"type": "unlock", "room": "r", "name": "x"}, session))
	if locks, err := h.Locks(t.Context(), "r"); err != nil || len(locks) != 1 || locks[0].Owner != session {
		t.Errorf("locks are %v, %v", locks, err)
	}

	existing := stranger.request(claiming(msg{"type": "join", "room": "r"}, session))
	missing := stranger.request(claiming(msg{"type": "join", "room": "no-such-room"}, session))
	for _, got := range []msg{existing, missing} {
		if got.str("code") != "forbidden" || got.str("message") != existing.str("message") {
			t.Errorf("a room that one may not see got %v", got)
		}
	}
	for _, m := range everyType()[1:8] {
		stranger.send(claiming(m, session))
		got := stranger.find(func(m msg) bool { return m.str("type") == "error" || m.str("type") == "nack" })
		if got.str("code") != "not_joined" {
			t.Errorf("%v of a stranger got %v", m["type"], got)
		}
	}
	if n := h.Stats().Operations; n != 1 {
		t.Errorf("%d operations were confirmed, want the editor's", n)
	}
}
