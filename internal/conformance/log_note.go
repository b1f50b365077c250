package conformance

import (
	"fmt"
	"time"

	"github.com/fiberflow/flow"
)

func noteCases() []logCase {
	brief := LogSettings{Settle: time.Millisecond}
	return []logCase{
		{name: "unknown", settings: brief, run: testNoteUnknown},
		{name: "only grow", settings: brief, run: testNoteGrows},
		{name: "alone", run: testNoteAlone},
		{name: "fence", run: testNoteFence},
		{name: "no log", run: testNoteNoLog},
		{name: "many", settings: brief, run: testNoteMany},
		{name: "forgotten", settings: brief, run: testNoteForgotten},
	}
}

func jumpCases() []logCase {
	return []logCase{
		{name: "no gap", run: testJump},
		{name: "fence and key", run: testJumpFence},
	}
}

// note restores sessions, with or without operations.
func (t *logTest) note(fence flow.Position, sessions map[string]uint64, list ...flow.Operation) []flow.Appended {
	t.Helper()
	return t.appendTo(t.one, flow.Batch{Fence: fence, Restore: true, Sessions: sessions, Operations: list})
}

// A session of which the log knows nothing any more goes on behind the last n that was restored: what
// is not above it is a duplicate (I1), what leaves one out a gap (I3).
func testNoteUnknown(t *logTest) {
	all := linked(middle(), ops("a", 8, 9)...)
	t.note(middle(), map[string]uint64{"b": 5, "ü {x}": 3}, all...)
	t.settled()
	for session, last := range map[string]uint64{"a": 9, "b": 5, "ü {x}": 3} {
		want(t, "last of "+session, t.facts(session).Last[session], last)
		answers := t.append(op(session, last-1), op(session, last), op(session, last+2), op(session, last+1))
		want(t, "answer", answers[0], flow.Appended{Status: flow.Duplicate, Last: last})
		want(t, "answer", answers[1], flow.Appended{Status: flow.Duplicate, Last: last})
		want(t, "answer", answers[2], flow.Appended{Status: flow.Gap, Last: last})
		want(t, "status of the next", answers[3].Status, flow.Confirmed)
	}
}

// What is known of a session only grows: by what is said of it, and by what is restored, whichever is
// more.
func testNoteGrows(t *logTest) {
	log := t.confirm(ops("a", 1, 5)...)
	t.note(endOf(log), map[string]uint64{"a": 4, "b": 7, "none": 0})
	t.note(log[1].Position(), map[string]uint64{"a": 5, "b": 6})
	wantLast := func(session string, last uint64) {
		t.Helper()
		want(t, "last of "+session, t.facts(session).Last[session], last)
	}
	wantLast("a", 5)
	wantLast("b", 7)
	wantLast("none", 0)
	tail := linked(endOf(log), op("b", 6), op("a", 9), op("c", 2))
	answers := t.note(endOf(log), map[string]uint64{"a": 8, "b": 5, "c": 3}, tail...)
	for i, last := range []uint64{7, 9, 3} {
		want(t, "last in the answer", answers[i].Last, last)
	}
	wantLast("a", 9)
	wantLast("b", 7)
	wantLast("c", 3)
	t.note(endOf(tail), map[string]uint64{"a": 20})
	wantLast("a", 20)
	t.settled()
	want(t, "status of the next", t.append(op("a", 21))[0].Status, flow.Confirmed)
}

// Sessions alone change no operations: the log does not settle after them, and nobody has to look
// whether it was restored.
func testNoteAlone(t *logTest) {
	log := t.confirm(ops("a", 1, 3)...)
	for _, fence := range []flow.Position{endOf(log), log[0].Position(), {}} {
		t.note(fence, map[string]uint64{"b": 4})
	}
	want(t, "Page.Restored", t.facts("").Restored, 0)
	t.wantAll(append(log, t.confirm(op("b", 5), op("a", 4))...))
}

// Sessions are noted only by a batch whose fence is in the log.
func testNoteFence(t *logTest) {
	log := t.confirm(ops("a", 1, 3)...)
	try := func(fence flow.Position) error {
		_, err := t.one.Append(t.Context(), room, flow.Batch{
			Fence: fence, Restore: true, Sessions: map[string]uint64{"b": 4},
		})
		return err
	}
	wantError(t, try(middle()), flow.ErrBehind)
	wantError(t, try(flow.Position{Seq: 3, Hash: log[1].Hash}), flow.ErrFork)
	want(t, "last of b", t.facts("b").Last["b"], 0)
	wantError(t, try(log[1].Position()), nil)
	want(t, "last of b", t.facts("b").Last["b"], 4)
}

// Where there is no log, no session can be in it: nothing is noted, not even for a log that begins
// later.
func testNoteNoLog(t *logTest) {
	t.note(flow.Position{}, map[string]uint64{"a": 4})
	wantPage(t, t.facts("a"), flow.Page{})
	want(t, "seq", t.confirm(op("a", 1))[0].Seq, 1)
}

// As many sessions as a room ever had can be noted at once.
func testNoteMany(t *logTest) {
	sessions := make(map[string]uint64)
	for i := range 5000 {
		sessions[fmt.Sprint("s", i)] = uint64(i) + 1
	}
	all := linked(middle(), op("a", 1))
	t.note(middle(), sessions, all...)
	t.settled()
	for _, i := range []int{0, 999, 1000, 4999} {
		want(t, "last", t.facts(fmt.Sprint("s", i)).Last[fmt.Sprint("s", i)], uint64(i)+1)
	}
	want(t, "status of the next", t.append(op("s4999", 5001))[0].Status, flow.Confirmed)
}

// Sessions that were restored are forgotten as others are: those of operations by the time of these,
// those that were only said by the time of the head (I9).
func testNoteForgotten(t *logTest) {
	const said, written = 300, 300
	sessions := make(map[string]uint64)
	for i := range said {
		sessions[fmt.Sprint("said", i)] = 5
	}
	list := linked(middle(), append(oneEach("written", written, noon), oneEach("edge", 1, noon+1)...)...)
	t.note(middle(), sessions, list...)
	t.settled()
	t.fill(1023, noon+day+1)
	want(t, "last before the sweep", t.facts("written7").Last["written7"], 1)
	t.fill(1024, noon+day+1)
	want(t, "last of one that is too old", t.facts("written7").Last["written7"], 0)
	want(t, "last of one that was said", t.facts("said7").Last["said7"], 5)
	want(t, "last of one at the edge", t.facts("edge0").Last["edge0"], 1)
	t.fill(2048, noon+day+2)
	want(t, "last of one that was said, later", t.facts("said7").Last["said7"], 5)
	t.confirm(oneEach("new", 300, noon+day+2)...)
	t.fill(3072, noon+day+2)
	want(t, "last of one that was said, in the end", t.facts("said7").Last["said7"], 0)
}

// With Jump, what a session's numbers leave out is lost and no gap: everything above its last n is
// confirmed. What is not above it stays a duplicate (I1, I3).
func testJump(t *logTest) {
	log := t.confirm(ops("a", 1, 2)...)
	batch := flow.Batch{Jump: true, Operations: []flow.Operation{
		op("a", 2), op("a", 5), op("a", 4), op("b", 9), op("a", 6), op("c", 0), op("a", flow.MaxN),
	}}
	answers := t.appendTo(t.other, batch)
	for i, last := range []uint64{2, 5, 5, 9, 6, 0, flow.MaxN} {
		status := flow.Confirmed
		if i == 0 || i == 2 || i == 5 {
			status = flow.Duplicate
		} else {
			o := batch.Operations[i]
			o.Seq, o.Hash = answers[i].Seq, answers[i].Hash
			log = append(log, o)
		}
		want(t, "status", answers[i].Status, status)
		want(t, "last", answers[i].Last, last)
	}
	t.wantAll(log)
	want(t, "Page.Restored", t.facts("").Restored, 0)
	want(t, "answer without jump", t.append(op("b", 12))[0], flow.Appended{Status: flow.Gap, Last: 9})
	want(t, "status of the next", t.append(op("b", 10))[0].Status, flow.Confirmed)
}

// Otherwise a batch that jumps is one like any other.
func testJumpFence(t *logTest) {
	try := func(fence flow.Position) error {
		batch := flow.Batch{Fence: fence, Jump: true, Operations: ops("b", 3, 3)}
		_, err := t.one.Append(t.Context(), room, batch)
		return err
	}
	wantError(t, try(middle()), flow.ErrNoLog)
	log := t.confirm(op("a", 1))
	wantError(t, try(middle()), flow.ErrBehind)
	wantError(t, try(flow.Position{Seq: 1, Hash: log[0].Hash ^ 1}), flow.ErrFork)
	batch := flow.Batch{Key: "key", Jump: true, Operations: ops("c", 7, 8)}
	first := t.appendTo(t.one, batch)
	want(t, "status", first[0].Status, flow.Confirmed)
	want(t, "status of the retry", t.appendTo(t.other, batch)[1], first[1])
	want(t, "length of the log", len(t.all()), 3)
}
