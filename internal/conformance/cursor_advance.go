package conformance

import (
	"fmt"
	"strings"
	"sync"

	"github.com/fiberflow/flow"
)

func cursorCases() []cursorCase {
	return []cursorCase{
		{name: "zero at first", run: testCursorZero},
		{name: "advanced", run: testCursorAdvance},
		{name: "without the lease", run: testCursorWithoutLease},
		{name: "lease over", run: testCursorLeaseOver},
		{name: "not in the log", run: testCursorDiverged},
		{name: "without a log", run: testCursorNoLog},
		{name: "trimmed position", settings: LogSettings{OperationLimit: 4}, run: testCursorTrimmed},
		{name: "groups apart", run: testCursorGroups},
		{name: "rooms apart", run: testCursorRooms},
		{name: "at once", run: testCursorAtOnce},
	}
}

// A group that has not begun is at zero, whatever is in the room.
func testCursorZero(t *cursorTest) {
	t.wantCursor(group, flow.Position{})
	t.confirm(ops("a", 1, 3)...)
	t.work()
	t.wantCursor(group, flow.Position{})
}

// A group is as far as whoever has the lease said last, at any position of the log, an earlier one too.
func testCursorAdvance(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 9)...)
	t.work()
	for _, seq := range []int{2, 5, 9, 9, 3, 1} {
		t.advance(group, sent[seq-1].Position())
		t.wantCursor(group, sent[seq-1].Position())
	}
	t.advance(group, flow.Position{})
	t.wantCursor(group, flow.Position{})
	t.wantAll(sent)
}

// Whoever does not have the lease sets nothing: it is nobody's, another's, one of another name, or one in
// another room. That is told also when the position is wrong.
func testCursorWithoutLease(t *cursorTest) {
	to := endOf(t.confirm(ops("a", 1, 3)...))
	t.wantKept(flow.CodeLocked, to, "work", worker)
	t.work()
	t.advance(group, flow.Position{Seq: 1, Hash: t.all()[0].Hash})
	if _, err := t.one.Acquire(t.Context(), "elsewhere", flow.Position{}, lease("other", worker), false); err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	for _, who := range []struct{ lease, owner string }{
		{"work", "another"}, {"Work", worker}, {"other", worker}, {"work", ""}, {"", worker}, {"", ""},
	} {
		t.wantKept(flow.CodeLocked, to, who.lease, who.owner)
		t.wantKept(flow.CodeLocked, flow.Position{Seq: beyond, Hash: 1}, who.lease, who.owner)
	}
	t.advance(group, to)
}

// A lease that was released, has ended or has gone to another is no lease: who held it for long sets
// nothing.
func testCursorLeaseOver(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.work()
	t.advance(group, sent[0].Position())
	t.release("work", worker)
	t.wantKept(flow.CodeLocked, endOf(sent), "work", worker)
	t.take(flow.Lease{Name: "work", Owner: worker, TTL: brief})
	eventually(t, "the lease ends", func() bool {
		err := t.other.Advance(t.Context(), group, room, sent[0].Position(), "work", worker)
		if err != nil {
			wantCode(t, err, flow.CodeLocked)
		}
		return err != nil
	})
	t.wantKept(flow.CodeLocked, endOf(sent), "work", worker)
	t.take(lease("work", "another"))
	t.wantKept(flow.CodeLocked, endOf(sent), "work", worker)
}

// A position that is not in the log is no place to be: a hash that differs, a seq beyond the head.
func testCursorDiverged(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 5)...)
	t.work()
	t.advance(group, sent[1].Position())
	for _, p := range []flow.Position{
		{Seq: 2, Hash: sent[1].Hash ^ 1}, {Seq: 5, Hash: sent[3].Hash}, {Seq: 6, Hash: 1},
		{Seq: beyond, Hash: sent[4].Hash}, {Hash: 1},
	} {
		t.wantKept(flow.CodeDiverged, p, "work", worker)
	}
}

// A room without a log has no position, not even zero.
func testCursorNoLog(t *cursorTest) {
	t.wantKept(flow.CodeLocked, flow.Position{}, "work", worker)
	t.work()
	for _, p := range []flow.Position{{}, {Seq: 1, Hash: 1}} {
		t.wantKept(flow.CodeDiverged, p, "work", worker)
	}
	t.wantAll(nil)
}

// What was trimmed away is not in the log; the position right before the first operation kept is.
func testCursorTrimmed(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 9)...)
	t.work()
	for _, p := range []flow.Position{{}, sent[0].Position(), sent[3].Position(), {Seq: 5, Hash: 1}} {
		t.wantKept(flow.CodeDiverged, p, "work", worker)
	}
	t.advance(group, sent[4].Position())
	t.wantCursor(group, sent[4].Position())
}

// Groups do not notice each other, nor sessions that have their names.
func testCursorGroups(t *cursorTest) {
	groups := []string{
		"a", "A", "a-b", "a_b", "g", "seq", "hash", "head", "base", "top", "first", "snapshot",
		"1", "01", strings.Repeat("g", 64),
	}
	var sent []flow.Operation
	for _, name := range groups {
		sent = append(sent, t.confirm(ops("g:"+name, 1, 2)...)...)
		sent = append(sent, t.confirm(op(name, 1))...)
	}
	t.work()
	for i, name := range groups {
		t.wantCursor(name, flow.Position{})
		t.advance(name, sent[3*i].Position())
	}
	for i, name := range groups {
		t.wantCursor(name, sent[3*i].Position())
		want(t, "last of a session", t.facts("g:" + name).Last["g:"+name], 2)
		want(t, "last of a session", t.facts(name).Last[name] > 0, true)
	}
	t.wantAll(sent)
	want(t, "base", t.facts("").Base, flow.Position{})
}

// Rooms do not notice each other's cursors (I6).
func testCursorRooms(t *cursorTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.work()
	t.advance(group, sent[1].Position())
	for _, name := range []string{"roo", "room2", "Room", "room:1", "group", "room:group"} {
		batch := flow.Batch{Operations: ops("a", 1, 3)} // the same positions
		if _, err := t.one.Append(t.Context(), name, batch); err != nil {
			t.Fatalf("Append: %v", err)
		}
		got, err := t.other.Cursor(t.Context(), group, name)
		wantError(t, err, nil)
		want(t, "cursor in "+name, got, flow.Position{})
		err = t.one.Advance(t.Context(), group, name, endOf(sent), "work", worker)
		wantCode(t, err, flow.CodeLocked)
	}
	t.wantCursor(group, sent[1].Position())
}

// Cursors are set while others append, and each group ends where it was set last.
func testCursorAtOnce(t *cursorTest) {
	t.confirm(op("first", 1))
	t.work()
	var running sync.WaitGroup
	running.Go(func() { t.writer(1, 40) })
	last := make([]flow.Position, 4)
	for i := range last {
		running.Go(func() {
			for range 40 {
				page, err := t.one.Read(t.Context(), room, flow.Query{})
				if err == nil {
					err = t.handles()[i%2].Advance(t.Context(), fmt.Sprint("g", i), room, page.Head, "work", worker)
				}
				if err != nil {
					t.Errorf("Advance: %v", err)
					return
				}
				last[i] = page.Head
			}
		})
	}
	running.Wait()
	for i := range last {
		t.wantCursor(fmt.Sprint("g", i), last[i])
	}
}
