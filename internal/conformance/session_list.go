package conformance

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/fiberflow/flow"
)

func listCases() []sessionCase {
	return []sessionCase{
		{name: "list by room and user", run: testList},
		{name: "list in order", run: testListOrder},
		{name: "list by pages", run: testListPages},
		{name: "list past those not listed", run: testListPastOthers},
		{name: "rooms", run: testRooms},
		{name: "rooms by pages", run: testRoomsPages},
		{name: "rooms that come and go between pages", run: testRoomsChanging},
	}
}

// A list has the sessions of a room, of a user, or of a user in a room, as they were put, on every
// instance.
func testList(t *sessionTest) {
	t.put(
		session("1", "red", "ann"), session("2", "red", "bob"), session("3", "blue", "ann"),
		session("4", "red", "ann"), session("5", "green", "cid"),
	)
	for _, c := range []struct {
		room, user string
		ids        []string
	}{
		{"red", "", []string{"1", "2", "4"}},
		{"blue", "", []string{"3"}},
		{"", "ann", []string{"1", "3", "4"}},
		{"", "bob", []string{"2"}},
		{"red", "ann", []string{"1", "4"}},
		{"blue", "bob", nil},
		{"grey", "", nil},
		{"", "dan", nil},
		{"grey", "ann", nil},
		{"red", "dan", nil},
	} {
		q := flow.SessionQuery{Room: c.room, User: c.user, Limit: 100}
		wantStrings(t, fmt.Sprintf("list of %+v", q), t.list(q), c.ids...)
	}
	for _, store := range t.handles() {
		found, err := store.List(t.Context(), flow.SessionQuery{Room: "green", Limit: 100})
		if err != nil || len(found) != 1 {
			t.Fatalf("List: %d sessions, %v", len(found), err)
		}
		wantSession(t, found[0], session("5", "green", "cid"))
	}
}

// Lists are in the order of the ids' bytes, whatever the order of the puts.
func testListOrder(t *sessionTest) {
	ids := []string{"b", "a", "10", "9", "B", "ab", "a-", "ü", "_", "Z", "~", "0"}
	for _, id := range ids {
		t.put(session(id, "room", "u"))
	}
	slices.Sort(ids)
	wantStrings(t, "list of the room", t.listRoom("room"), ids...)
	wantStrings(t, "list of the user", t.list(flow.SessionQuery{User: "u", Limit: 100}), ids...)
	for i, id := range ids {
		after := flow.SessionQuery{Room: "room", After: id, Limit: 100}
		wantStrings(t, "list after "+id, t.list(after), ids[i+1:]...)
	}
}

// Pages follow each other without holes and repeats, and only the last one is short. After may be an id
// that is not there.
func testListPages(t *sessionTest) {
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("s%02d", 2*i))
		t.put(session(ids[i], "room", "u"), session(fmt.Sprintf("t%02d", i), "elsewhere", "u"))
	}
	for _, q := range []flow.SessionQuery{{Room: "room"}, {Room: "room", User: "u"}} {
		for _, limit := range []int{1, 7, 25, 50, 51} {
			q.Limit = limit
			wantStrings(t, fmt.Sprintf("pages of %+v", q), t.pages(q), ids...)
		}
	}
	wantStrings(t, "after an id that is not there",
		t.list(flow.SessionQuery{Room: "room", After: "s05", Limit: 3}), "s06", "s08", "s10")
	wantStrings(t, "after the last", t.list(flow.SessionQuery{Room: "room", After: "s98", Limit: 3}))
}

// pages reads page after page until one is short.
func (t *sessionTest) pages(q flow.SessionQuery) []string {
	t.Helper()
	var all []string
	for {
		page := t.list(q)
		all = append(all, page...)
		if len(page) < q.Limit {
			return all
		}
		if len(page) > q.Limit {
			t.Fatalf("a page has %d sessions, asked for %d", len(page), q.Limit)
		}
		q.After = page[len(page)-1]
	}
}

// Sessions that are not to be listed do not make a page short.
func testListPastOthers(t *sessionTest) {
	var ids []string
	for i := range 60 {
		s := session(fmt.Sprintf("s%02d", i), "room", fmt.Sprint("u", i%2))
		if i%3 != 0 {
			s.Instance = ""
		}
		t.put(s)
		if i%3 == 0 {
			ids = append(ids, s.ID)
		}
	}
	wantStrings(t, "one page", t.list(flow.SessionQuery{Room: "room", Limit: 15}), ids[:15]...)
	wantStrings(t, "all pages", t.pages(flow.SessionQuery{Room: "room", Limit: 6}), ids...)
	of := t.pages(flow.SessionQuery{Room: "room", User: "u0", Limit: 4})
	wantStrings(t, "of a user in the room", of,
		"s00", "s06", "s12", "s18", "s24", "s30", "s36", "s42", "s48", "s54")
}

// The list of rooms has each room with a session once, and none without.
func testRooms(t *sessionTest) {
	wantStrings(t, "rooms", t.rooms("", 10))
	t.put(session("1", "b", "u"), session("2", "a", "u"), session("3", "b", "v"), session("4", "C", "v"))
	wantStrings(t, "rooms", t.rooms("", 10), "C", "a", "b")
	t.delete("2", "3")
	wantStrings(t, "rooms", t.rooms("", 10), "C", "b")
	t.delete("1")
	wantStrings(t, "rooms", t.rooms("", 10), "C")
}

// Rooms are told in the order of their ids' bytes, page after page.
func testRoomsPages(t *sessionTest) {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("r%d", i))
		t.put(session(fmt.Sprint("s", i), names[i], "u"))
	}
	slices.Sort(names)
	for _, limit := range []int{1, 7, 40, 100} {
		var all []string
		for page := t.rooms("", limit); len(page) > 0; page = t.rooms(all[len(all)-1], limit) {
			if len(page) > limit {
				t.Fatalf("a page has %d rooms, asked for %d", len(page), limit)
			}
			all = append(all, page...)
		}
		wantStrings(t, fmt.Sprintf("rooms by %d", limit), all, names...)
	}
	wantStrings(t, "rooms after one that is not there", t.rooms("r1x", 2), "r2", "r20")
}

// Each page has the rooms that there are when it is asked for, behind the last one told, in order: rooms that
// come and go between pages make no holes, and none is told twice.
func testRoomsChanging(t *sessionTest) {
	chance := rand.New(rand.NewPCG(1, 2)) // every time the same
	there := map[string]string{}          // which session a room has
	change := func(n int) {
		for range n {
			room := fmt.Sprintf("%c-%d", "aZ~_0"[chance.IntN(5)], chance.IntN(200))
			if id := there[room]; id != "" {
				t.delete(id)
				delete(there, room)
				continue
			}
			there[room] = fmt.Sprint("s", chance.Uint64())
			t.put(session(there[room], room, "u"))
		}
	}
	change(400)
	after := ""
	for {
		var want []string
		for _, room := range slices.Sorted(maps.Keys(there)) {
			if room > after {
				want = append(want, room)
			}
		}
		const limit = 16
		page := t.rooms(after, limit)
		wantStrings(t, fmt.Sprintf("page after %q", after), page, want[:min(limit, len(want))]...)
		if len(page) < limit {
			return
		}
		after = page[limit-1]
		change(20)
	}
}
