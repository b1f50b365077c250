package handlers_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/fiberflow/flow"
)

// Rooms are listed in pages, inspected, and deleted for everybody in them.
func TestRoom(t *testing.T) {
	s := start(t, options{})
	for i := range 5 {
		s.join(t, "as-ann", fmt.Sprintf("room-%d", i))
	}
	seen := 0
	for path := "/rooms?limit=2"; path != ""; {
		page := s.call(t, http.MethodGet, path, adminToken, "").wantStatus(t, http.StatusOK).object(t)
		for _, room := range page.list("rooms") {
			if id := msg(room.(map[string]any)).str("room"); id != fmt.Sprintf("room-%d", seen) {
				t.Fatalf("room %q at %d", id, seen)
			}
			seen++
		}
		path = ""
		if next := page.str("next"); next != "" {
			path = "/rooms?limit=2&after=" + next
		}
	}
	if seen != 5 {
		t.Errorf("%d rooms", seen)
	}
	member := s.join(t, "as-bob", "room-3")
	member.send(t, `{"type":"op","room":"room-3","n":1,"data":1}`)
	member.await(t, "op")
	room := s.call(t, http.MethodGet, "/rooms/room-3", adminToken, "").wantStatus(t, http.StatusOK).object(t)
	if room["participants"] != 2.0 || room["operations"] != 1.0 || room.str("durability") != "memory" {
		t.Errorf("room %v", room)
	}
	s.call(t, http.MethodGet, "/rooms/never", adminToken, "").wantCode(t, flow.CodeNotFound)

	s.call(t, http.MethodDelete, "/rooms/room-3", "as-editor", "").wantCode(t, flow.CodeForbidden)
	deleted := s.call(t, http.MethodDelete, "/rooms/room-3", "as-owner", "").wantStatus(t, http.StatusNoContent)
	if len(deleted.body) > 0 {
		t.Errorf("body %q", deleted.body)
	}
	if left := member.await(t, "left"); left.str("reason") != "deleted" {
		t.Errorf("left %v", left)
	}
	s.call(t, http.MethodPost, "/rooms/room-3/operations", "as-ann", `{"operations":[{"data":1}]}`).
		wantCode(t, flow.CodeRoomDeleted)
	if none := s.call(t, http.MethodGet, "/rooms?after=zzz", adminToken, "").body; string(none) != `{"rooms":[]}` {
		t.Errorf("empty page %s", none)
	}
}
