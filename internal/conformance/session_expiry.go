package conformance

import (
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

func sessionExpiryCases() []sessionCase {
	brief := SessionSettings{SessionTTL: 100 * time.Millisecond}
	renewed := SessionSettings{SessionTTL: renewing}
	dying := SessionSettings{InstanceTTL: 400 * time.Millisecond}
	return []sessionCase{
		{name: "expiry", settings: brief, run: testSessionExpiry},
		{name: "expiry of all", settings: brief, run: testSessionExpiryOfAll},
		{name: "renewed", settings: renewed, run: testSessionRenewed},
		{name: "instance dies", settings: dying, run: testInstanceDies},
		{name: "put is a sign of life", settings: dying, run: testPutIsLife},
	}
}

// A session that is not touched is forgotten after its TTL, and so is its room, its user, and that it
// was the instance's. It is gone from the list even while its instance lives.
func testSessionExpiry(t *sessionTest) {
	t.put(session("a", "room", "u"))
	eventually(t, "the session is forgotten", func() bool {
		t.touch("i1")
		_, err := t.other.Get(t.Context(), "a")
		return flow.ErrorCode(err) == flow.CodeNotFound
	})
	t.wantUnknown("a")
	wantStrings(t, "list of the room", t.listRoom("room"))
	wantStrings(t, "list of the user", t.list(flow.SessionQuery{User: "u", Limit: 10}))
	wantStrings(t, "rooms", t.rooms("", 10))
	wantStrings(t, "lost", t.touch("i1", "a"), "a")
	t.put(session("a", "elsewhere", "v"))
	wantStrings(t, "list of the old room", t.listRoom("room"))
}

// Lists and rooms forget without anybody asking for the session, also one that waits to be resumed.
func testSessionExpiryOfAll(t *sessionTest) {
	waiting := session("b", "other", "v")
	waiting.Instance = ""
	t.put(session("a", "room", "u"), waiting)
	eventually(t, "rooms are forgotten", func() bool {
		t.touch("i1")
		return len(t.rooms("", 10)) == 0
	})
	wantStrings(t, "list", t.listRoom("room"))
}

// Touch and Put give a session its full TTL again, the one without changing it. That of others runs on.
func testSessionRenewed(t *sessionTest) {
	touched, again, left := session("a", "room", "u"), session("b", "room", "u"), session("c", "room", "v")
	again.Instance = ""
	t.put(touched, again, left)
	eventually(t, "the session that is left alone is forgotten", func() bool {
		wantStrings(t, "lost", t.touch("i1", "a"))
		t.wantStored(again)
		t.put(again)
		_, err := t.other.Get(t.Context(), "c")
		return flow.ErrorCode(err) == flow.CodeNotFound
	})
	t.wantStored(touched)
	t.wantStored(again)
	wantStrings(t, "list of the room", t.listRoom("room"), "a")
	wantStrings(t, "list of the user", t.list(flow.SessionQuery{User: "u", Limit: 10}), "a")
}

// The sessions of an instance that is not touched are not listed any more, by room and by user; they
// can still be resumed, on any instance. When the instance is heard of again, so are they (I5, I7).
func testInstanceDies(t *sessionTest) {
	a, b, c := session("a", "room", "u"), session("b", "room", "u"), session("c", "room", "v")
	b.Instance = "i2"
	t.put(a, b, c)
	query := flow.SessionQuery{User: "u", Limit: 10}
	eventually(t, "only those of the living are listed", func() bool {
		wantStrings(t, "lost", t.touch("i2", "b"))
		return slices.Equal(t.listRoom("room"), []string{"b"}) && slices.Equal(t.list(query), []string{"b"})
	})
	t.wantStored(a)
	detached := t.list(flow.SessionQuery{Room: "room", Limit: 10, Detached: true})
	wantStrings(t, "those that wait to be resumed too", detached, "a", "b", "c")
	wantStrings(t, "rooms", t.rooms("", 10), "room")
	a.Instance = "i2"
	t.put(a)
	wantStrings(t, "lost of the dead", t.touch("i1", "a", "c"), "a")
	eventually(t, "all are listed", func() bool {
		t.touch("i1")
		t.touch("i2")
		return slices.Equal(t.listRoom("room"), []string{"a", "b", "c"})
	})
}

// Put says that the instance lives: what it puts is listed at once, and no longer than its TTL when
// nothing more is heard.
func testPutIsLife(t *sessionTest) {
	eventually(t, "what was put is listed", func() bool { // at once, unless the machine stood still
		t.put(session("a", "room", "u"))
		return slices.Equal(t.listRoom("room"), []string{"a"})
	})
	eventually(t, "the instance is taken as dead", func() bool { return len(t.listRoom("room")) == 0 })
	t.wantStored(session("a", "room", "u"))
}
