package conformance

import (
	"time"

	"github.com/fiberflow/flow"
)

func cursorLogCases() []cursorCase {
	short := LogSettings{OperationLimit: 4, Settle: time.Millisecond}
	gone := LogSettings{TombstoneTTL: 100 * time.Millisecond}
	return []cursorCase{
		{name: "stays in a log that goes on", settings: short, run: testCursorStays},
		{name: "stays in a sweep", run: testCursorSwept},
		{name: "stays in a restore", run: testCursorRestored},
		{name: "lost with the log", run: testCursorLost},
		{name: "deleted", run: testCursorDeleted},
		{name: "new room afterwards", settings: gone, run: testCursorDeletedAgain},
		{name: "the log's TTL", settings: LogSettings{OperationTTL: 100 * time.Millisecond}, run: testCursorIdle},
	}
}

// A cursor stays where it is while operations are appended, refused and trimmed, also when its own
// position is trimmed away, and while snapshots are saved: what its group has missed, it must be able to
// tell.
func testCursorStays(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.work()
	t.advance(group, sent[1].Position())
	at := sent[1].Position()
	t.save(sent[2].Position(), `{}`)
	t.wantCursor(group, at)
	t.append(op("a", 3), op("a", 9))
	t.wantCursor(group, at)
	for range 30 {
		sent = append(sent, t.confirm(op("a", uint64(len(sent))+1))...)
	}
	want(t, "the position was trimmed away", t.facts("").Base.Seq > at.Seq, true)
	t.wantCursor(group, at)
	t.release("work", worker)
	t.wantCursor(group, at)
}

// A sweep of sessions, also of one that has a group's name, leaves cursors alone.
func testCursorSwept(t *cursorTest) {
	sent := t.confirm(append(oneEach("old", 600, noon), oneEach("g:"+group, 1, noon)...)...)
	t.work()
	t.advance(group, sent[7].Position())
	t.fill(1024, noon+day+1)
	want(t, "last of a session that was swept", t.facts("old7").Last["old7"], 0)
	t.wantCursor(group, sent[7].Position())
}

// What is restored behind or in front of a log leaves its cursors alone, and may be what they are set to.
func testCursorRestored(t *cursorTest) {
	all := linked(middle(), ops("a", 1, 9)...)
	t.restore(all[2].Position(), all[3:6])
	t.work() // as one who had it
	t.advance(group, all[4].Position())
	t.restore(all[5].Position(), all[6:])
	t.restore(middle(), all[:3])
	t.wantCursor(group, all[4].Position())
	for _, p := range []flow.Position{middle(), all[1].Position(), endOf(all)} {
		t.advance(group, p)
		t.wantCursor(group, p)
	}
}

// A log that was lost has lost its cursors: after it was restored, every group has yet to begin.
func testCursorLost(t *cursorTest) {
	lost := linked(flow.Position{}, ops("a", 1, 9)...)
	t.work()
	t.wantKept(flow.CodeDiverged, endOf(lost), "work", worker)
	t.restore(lost[2].Position(), lost[3:])
	t.wantCursor(group, flow.Position{})
	t.advance(group, endOf(lost))
	t.wantCursor(group, endOf(lost))
}

// A deleted room answers CodeRoomDeleted.
func testCursorDeleted(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.work()
	t.advance(group, sent[1].Position())
	t.delete()
	for _, handle := range t.handles() {
		for _, to := range []flow.Position{{}, sent[2].Position()} {
			_, err := handle.Cursor(t.Context(), group, room)
			wantCode(t, err, flow.CodeRoomDeleted)
			err = handle.Advance(t.Context(), group, room, to, "work", worker)
			wantCode(t, err, flow.CodeRoomDeleted)
		}
	}
}

// When the tombstone has ended, every group has yet to begin, also where the new room has the old one's
// positions.
func testCursorDeletedAgain(t *cursorTest) {
	t.follow(t.one) // a room may be kept for its followers
	sent := t.confirm(ops("a", 1, 3)...)
	t.work()
	t.advance(group, sent[1].Position())
	t.delete()
	eventually(t, "the tombstone ends", func() bool {
		_, err := t.other.Cursor(t.Context(), group, room)
		return err == nil
	})
	t.wantCursor(group, flow.Position{})
	t.confirm(ops("a", 1, 3)...)
	t.wantCursor(group, flow.Position{})
	t.wantKept(flow.CodeLocked, sent[1].Position(), "work", worker)
	t.work()
	t.advance(group, sent[1].Position())
}

// Cursors end with a log that has been idle for its TTL, and to set one does not keep it.
func testCursorIdle(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	eventually(t, "the log vanishes", func() bool {
		t.work()
		err := t.other.Advance(t.Context(), group, room, sent[1].Position(), "work", worker)
		if err != nil {
			wantCode(t, err, flow.CodeDiverged)
		}
		return err != nil
	})
	t.wantCursor(group, flow.Position{})
	t.confirm(ops("a", 1, 3)...)
	t.wantCursor(group, flow.Position{})
}
