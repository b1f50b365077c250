package conformance

import (
	"time"

	"github.com/fiberflow/flow"
)

func deleteCases() []logCase {
	brief := LogSettings{TombstoneTTL: 100 * time.Millisecond}
	return []logCase{
		{name: "answers", run: testDeleted},
		{name: "never written", run: testDeleteNothing},
		{name: "other rooms", run: testDeleteOthers},
		{name: "new room afterwards", settings: brief, run: testDeletedAgain},
	}
}

// delete deletes the room.
func (t *logTest) delete() {
	t.Helper()
	if err := t.one.Delete(t.Context(), room); err != nil {
		t.Fatalf("Delete: %v", err)
	}
}

// wantDeleted checks that every call about the room answers CodeRoomDeleted, on every instance.
func (t *logTest) wantDeleted(p flow.Position) {
	t.Helper()
	for _, log := range []flow.Log{t.one, t.other} {
		for _, b := range []flow.Batch{
			{}, {Operations: ops("a", 1, 2)}, {Fence: p, Restore: true}, keyed("k", "a", "1"),
		} {
			_, err := log.Append(t.Context(), room, b)
			wantCode(t, err, flow.CodeRoomDeleted)
		}
		for _, q := range []flow.Query{{}, {After: p, Limit: 1}, {Unchecked: true}, {Renew: true}} {
			page, err := log.Read(t.Context(), room, q)
			wantCode(t, err, flow.CodeRoomDeleted)
			wantPage(t, page, flow.Page{})
		}
		_, err := log.Snapshot(t.Context(), room)
		wantCode(t, err, flow.CodeRoomDeleted)
		err = log.SaveSnapshot(t.Context(), room, flow.Snapshot{Position: p, Data: []byte(`{}`)})
		wantCode(t, err, flow.CodeRoomDeleted)
		wantCode(t, log.Delete(t.Context(), room), flow.CodeRoomDeleted)
	}
}

// A deleted room answers CodeRoomDeleted to everything: to the zero fence, to every position that it
// knew, to a key that it answered before.
func testDeleted(t *logTest) {
	t.appendTo(t.one, keyed("k", "k", "1"))
	sent := t.confirm(ops("a", 1, 5)...)
	t.save(sent[4].Position(), `{}`)
	t.delete()
	t.wantDeleted(flow.Position{})
	t.wantDeleted(sent[2].Position())
}

// A room that was never written can be deleted, and then is.
func testDeleteNothing(t *logTest) {
	t.delete()
	t.wantDeleted(flow.Position{})
}

// Other rooms do not notice (I6).
func testDeleteOthers(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	for _, name := range []string{"roo", "room2", "Room", "room:1"} {
		if err := t.one.Delete(t.Context(), name); err != nil {
			t.Fatalf("Delete(%q): %v", name, err)
		}
	}
	t.wantAll(sent)
}

// When the tombstone has ended, the id is a new, empty room: without the old one's operations, sessions,
// snapshot and keys. Asking does not make the tombstone last longer.
func testDeletedAgain(t *logTest) {
	t.follow(t.one) // a room may be kept for its followers
	t.appendTo(t.one, keyed("k", "k", "1"))
	old := t.confirm(ops("a", 1, 5)...)
	t.save(old[4].Position(), `{}`)
	t.delete()
	eventually(t, "the tombstone ends", func() bool {
		_, err := t.other.Append(t.Context(), room, flow.Batch{})
		_ = t.one.Delete(t.Context(), "asking too")
		return err == nil
	})
	wantPage(t, t.read(flow.Query{Sessions: []string{"a"}}), flow.Page{})
	_, err := t.one.Snapshot(t.Context(), room)
	wantCode(t, err, flow.CodeNotFound)
	wantError(t, t.try(old[0].Position()), flow.ErrNoLog)
	sent := t.confirm(ops("a", 1, 2)...)
	want(t, "seq", sent[0].Seq, 1)
	want(t, "status with the old key", t.appendTo(t.one, keyed("k", "b", "2"))[0].Status, flow.Confirmed)
	want(t, "length of the log", len(t.all()), 3)
}
