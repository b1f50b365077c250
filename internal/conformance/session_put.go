package conformance

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

func sessionCases() []sessionCase {
	return []sessionCase{
		{name: "put and get", run: testSessionPut},
		{name: "put again", run: testSessionPutAgain},
		{name: "texts", run: testSessionTexts},
		{name: "only what belongs there", run: testSessionStripped},
		{name: "delete", run: testSessionDelete},
		{name: "touch", run: testSessionTouch},
		{name: "taken over", run: testSessionTakenOver},
		{name: "without instance", run: testSessionWaiting},
		{name: "nothing left", run: testSessionNothingLeft},
		{name: "at once", run: testSessionAtOnce},
		{name: "health", run: func(t *sessionTest) { wantServing(t, t.one.Health()) }},
	}
}

// What was put is got as it was, on every instance (I7). What never was is CodeNotFound.
func testSessionPut(t *sessionTest) {
	a, b := session("a", "room", "u"), session("b", "room", "u")
	a.User.Picture, a.User.Anonymous = "https://example.test/a.png", true
	b.Presence, b.Instance, b.Joined, b.Claimed = nil, "", 0, 0
	t.put(a, b)
	t.wantStored(a)
	t.wantStored(b)
	t.wantUnknown("c")
	t.wantUnknown("A")
	t.wantUnknown("")
}

// Put again takes the place of the older version, and leaves nothing of it.
func testSessionPutAgain(t *sessionTest) {
	s := session("a", "room", "u")
	s.User.Picture, s.User.Anonymous = "https://example.test/a.png", true
	t.put(s)
	again := flow.Session{ID: "a", Room: "room", User: flow.User{ID: "u"}, Instance: "i2", Joined: noon + 1}
	t.put(again, again)
	t.wantStored(again)
	t.touch("i2")
	wantStrings(t, "list", t.listRoom("room"), "a")
	t.put(s)
	t.wantStored(s)
}

// Ids, names and presence of any text come back as they were.
func testSessionTexts(t *sessionTest) {
	texts := []string{"x", "x:y", "x y", "{x}", "*", "ü😀", "a\tb", `"quoted\"`, "1", strings.Repeat("u", 255)}
	for i, text := range texts {
		s := session(fmt.Sprint("s-", i), "0"+longName(127), text)
		s.User.Name, s.User.Picture, s.Instance = text, text, "instance "+text
		s.Presence = []byte(`{"k":"` + strings.Repeat("v", 4000) + `","k":1e400}`)
		t.put(s)
		t.wantStored(s)
		wantStrings(t, "sessions of "+text, t.list(flow.SessionQuery{User: text, Limit: 10}), s.ID)
	}
	want(t, "sessions of the room", len(t.listRoom("0"+longName(127))), len(texts))
}

// Of the user, the store keeps neither expiry nor rights nor claims: those belong to a connection.
func testSessionStripped(t *sessionTest) {
	s := session("a", "room", "u")
	s.User.Expires, s.User.Admin = time.UnixMilli(noon), true
	s.User.Claims = map[string]any{"secret": "x"}
	t.put(s)
	t.wantStored(s)
	listed, err := t.other.List(t.Context(), flow.SessionQuery{Room: "room", Limit: 1})
	if err != nil || len(listed) != 1 {
		t.Fatalf("List: %d sessions, %v", len(listed), err)
	}
	wantSession(t, listed[0], s)
}

// A deleted session is unknown everywhere and in no list; to delete one that is unknown is no error.
func testSessionDelete(t *sessionTest) {
	t.put(session("a", "room", "u"), session("b", "room", "u"))
	t.delete("a", "a", "never was")
	t.wantUnknown("a")
	wantStrings(t, "list of the room", t.listRoom("room"), "b")
	wantStrings(t, "list of the user", t.list(flow.SessionQuery{User: "u", Limit: 10}), "b")
	wantStrings(t, "lost", t.touch("i1", "a", "b"), "a")
	t.wantUnknown("a")
}

// Touch returns the ids that are not the instance's: unknown, deleted, or another's.
func testSessionTouch(t *sessionTest) {
	other := session("other", "room", "u")
	other.Instance = "i2"
	t.put(session("a", "room", "u"), session("b", "elsewhere", "v"), other)
	t.delete("b")
	wantStrings(t, "lost", t.touch("i1", "a", "b", "never was", "other"), "b", "never was", "other")
	wantStrings(t, "lost of i2", t.touch("i2", "a", "other"), "a")
	wantStrings(t, "lost of nothing", t.touch("i3"))
	var ids []string
	for i := range 500 {
		s := session(fmt.Sprintf("many-%03d", i), fmt.Sprint("room", i%7), "w")
		ids = append(ids, s.ID)
		t.put(s)
	}
	wantStrings(t, "lost of many", t.touch("i1", append(ids, "gone")...), "gone")
}

// A session that another instance has taken over is lost to the first, and stays what the second made
// of it (I4).
func testSessionTakenOver(t *sessionTest) {
	s := session("a", "room", "u")
	t.put(s)
	s.Instance = "i2"
	if err := t.other.Put(t.Context(), s); err != nil {
		t.Fatalf("Put: %v", err)
	}
	wantStrings(t, "lost", t.touch("i1", "a"), "a")
	t.wantStored(s)
	wantStrings(t, "lost of the second", t.touch("i2", "a"))
	wantStrings(t, "list", t.listRoom("room"), "a")
}

// A session without an instance is not listed, but can be resumed, keeps its room in the list of rooms,
// and is nobody's (I7).
func testSessionWaiting(t *sessionTest) {
	s := session("a", "room", "u")
	t.put(s)
	s.Instance = ""
	t.put(s)
	t.wantStored(s)
	wantStrings(t, "list", t.listRoom("room"))
	wantStrings(t, "list of the user", t.list(flow.SessionQuery{User: "u", Limit: 10}))
	wantStrings(t, "rooms", t.rooms("", 10), "room")
	wantStrings(t, "lost", t.touch("i1", "a"), "a")
	s.Instance = "i1"
	t.put(s)
	wantStrings(t, "list after it came back", t.listRoom("room"), "a")
}

// When every session has ended, nothing is left to be listed (I7).
func testSessionNothingLeft(t *sessionTest) {
	var ids []string
	for i := range 60 {
		s := session(fmt.Sprint("s", i), fmt.Sprint("room", i%6), fmt.Sprint("user", i%5))
		if i%10 == 0 {
			s.Instance = ""
		}
		ids = append(ids, s.ID)
		t.put(s)
	}
	t.delete(ids...)
	wantStrings(t, "rooms", t.rooms("", 1000))
	for i := range 6 {
		wantStrings(t, "list of a room", t.listRoom(fmt.Sprint("room", i)))
		user := flow.SessionQuery{User: fmt.Sprint("user", i), Limit: 1000}
		wantStrings(t, "list of a user", t.list(user))
	}
}

// Many sessions that come, go and are renewed at once on several instances do not harm each other.
func testSessionAtOnce(t *sessionTest) {
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			store := t.handles()[i%2]
			for j := range 20 {
				s := session(fmt.Sprintf("s-%d-%02d", i, j), "room", fmt.Sprint("u", j%3))
				t.wantNil(store.Put(t.Context(), s))
				_, err := store.Touch(t.Context(), s.Instance, []string{s.ID})
				t.wantNil(err)
				_, err = store.List(t.Context(), flow.SessionQuery{Room: "room", Limit: 50})
				t.wantNil(err)
				if j%2 == 1 {
					t.wantNil(store.Delete(t.Context(), s.ID))
				}
			}
		})
	}
	running.Wait()
	var left []string
	for i := range 8 {
		for j := 0; j < 20; j += 2 {
			left = append(left, fmt.Sprintf("s-%d-%02d", i, j))
		}
	}
	wantStrings(t, "list", t.listRoom("room"), left...)
	wantStrings(t, "lost", t.touch("i1", left...))
}

// wantNil may be called from any goroutine.
func (t *sessionTest) wantNil(err error) {
	if err != nil {
		t.Error(err)
	}
}
