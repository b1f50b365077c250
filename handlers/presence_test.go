package handlers_test

import (
	"net/http"
	"testing"
)

// The list of participants is what the sockets see, in pages.
func TestPresence_Participants(t *testing.T) {
	s := start(t, options{})
	ann, bob := s.join(t, "as-ann", "r"), s.join(t, "as-bob", "r")
	ann.send(t, `{"type":"presence","id":"p","room":"r","data":{"cursor":[1,2],"tag":"<b>"}}`)
	ann.await(t, "ok")
	bob.send(t, `{"type":"presence","id":"p","room":"r","data":{"typing":true}}`)
	bob.await(t, "ok")

	users := map[string]msg{}
	pages := 0
	for path := "/rooms/r/participants?limit=1"; path != ""; pages++ {
		page := s.call(t, http.MethodGet, path, "as-viewer", "").wantStatus(t, http.StatusOK).object(t)
		for _, p := range page.list("participants") {
			users[msg(p.(map[string]any)).str("user")] = p.(map[string]any)
		}
		path = ""
		if next := page.str("next"); next != "" {
			path = "/rooms/r/participants?limit=1&after=" + next
		}
	}
	if len(users) != 2 || pages > 3 {
		t.Fatalf("%d users in %d pages: %v", len(users), pages, users)
	}
	a := users["ann"]
	if a.object("profile").str("name") != "Name of ann" || a.object("profile").str("color") == "" ||
		a.object("presence").str("tag") != "<b>" || a.str("session") == "" || a["joined"] == nil {
		t.Errorf("ann is %v", a)
	}
	empty := s.call(t, http.MethodGet, "/rooms/empty/participants", "as-ann", "").wantStatus(t, http.StatusOK)
	if string(empty.body) != `{"participants":[]}` {
		t.Errorf("body %s", empty.body)
	}
}
