package conformance

import (
	"fmt"
	"maps"
	"testing"

	"github.com/fiberflow/flow"
)

func readCases() []logCase {
	return []logCase{
		{name: "never written", run: testReadNothing},
		{name: "pages", run: testReadPages},
		{name: "facts", run: testReadFacts},
		{name: "last of a session", run: testReadLast},
		{name: "last of several sessions", run: testReadLasts},
		{name: "diverged", run: testReadDiverged},
		{name: "unchecked", run: testReadUnchecked},
	}
}

// A room that was never written reads as an empty log.
func testReadNothing(t *logTest) {
	for _, q := range []flow.Query{
		{}, {Limit: 10}, {Limit: 10, Unchecked: true}, {Sessions: []string{"a"}},
		{Renew: true}, {Limit: 10, Renew: true},
	} {
		wantPage(t, t.read(q), flow.Page{})
	}
}

// Pages follow each other without holes and repeats, whatever their size, and none is empty before the
// head (I4).
func testReadPages(t *logTest) {
	sent := t.confirm(ops("a", 1, 100)...)
	for _, limit := range []int{1, 7, 50, 99, 100, 101, 5000} {
		var got []flow.Operation
		var at flow.Position
		for range sent {
			page := t.read(flow.Query{After: at, Limit: limit})
			if len(page.Operations) == 0 {
				break
			}
			if len(page.Operations) > limit {
				t.Fatalf("a page has %d operations, asked for %d", len(page.Operations), limit)
			}
			got = append(got, page.Operations...)
			at = got[len(got)-1].Position()
		}
		wantOperations(t, got, sent)
		page := t.read(flow.Query{After: at, Limit: limit})
		want(t, "operations after the head", len(page.Operations), 0)
	}
}

// Every page tells the facts; with limit 0 it tells nothing else.
func testReadFacts(t *logTest) {
	sent := t.confirm(ops("a", 1, 10)...)
	s := flow.Snapshot{Position: sent[3].Position(), Data: []byte(`{}`)}
	if err := t.one.SaveSnapshot(t.Context(), room, s); err != nil {
		t.Fatalf("SaveSnapshot: %v", err)
	}
	facts := flow.Page{Head: sent[9].Position(), Snapshot: s.Position, Last: map[string]uint64{"a": 10}}
	wantPage(t, t.read(flow.Query{Sessions: []string{"a"}}), facts)
	wantPage(t, t.read(flow.Query{After: sent[5].Position(), Sessions: []string{"a"}}), facts)
	wantPage(t, t.read(flow.Query{After: sent[9].Position(), Limit: 5, Sessions: []string{"a"}}), facts)
	facts.Operations = sent[5:6]
	wantPage(t, t.read(flow.Query{After: sent[4].Position(), Limit: 1, Sessions: []string{"a"}}), facts)
}

// Last is the last n of the session that was asked for, 0 for one that has none and for none.
func testReadLast(t *logTest) {
	t.confirm(append(ops("a", 1, 3), ops("b", 1, 2)...)...)
	for session, last := range map[string]uint64{"a": 3, "b": 2, "c": 0, "A": 0, "": 0} {
		want(t, "last of "+session, t.read(flow.Query{Sessions: []string{session}}).Last[session], last)
	}
	t.append(op("a", 9))
	want(t, "last after a gap", t.read(flow.Query{Sessions: []string{"a"}}).Last["a"], 3)
}

// Last has every session that was asked for and has one, however many and however often, also with an
// error about the position.
func testReadLasts(t *logTest) {
	t.confirm(append(ops("a", 1, 3), ops("b", 1, 2)...)...)
	t.confirm(oneEach("many", 600, noon)...)
	few := map[string]uint64{"a": 3, "b": 2}
	for _, sessions := range [][]string{{"a", "b"}, {"b", "c", "a"}, {"", "a", "A", "b", "a", "a:b"}} {
		got := t.read(flow.Query{Sessions: sessions, Limit: 1}).Last
		want(t, fmt.Sprintf("last of %q is right", sessions), maps.Equal(got, few), true)
	}
	all := maps.Clone(few)
	asked := []string{"nobody", "a", "b"}
	for i := range 600 {
		all[fmt.Sprint("many", i)] = 1
		asked = append(asked, fmt.Sprint("many", i))
	}
	want(t, "last of all is right", maps.Equal(t.read(flow.Query{Sessions: asked}).Last, all), true)
	nowhere := flow.Query{After: flow.Position{Seq: 2, Hash: 1}, Sessions: asked}
	page, err := t.other.Read(t.Context(), room, nowhere)
	wantCode(t, err, flow.CodeDiverged)
	want(t, "last of all with an error is right", maps.Equal(page.Last, all), true)
	want(t, "last when none is asked for", len(t.read(flow.Query{}).Last), 0)
}

// A position that is not in the log is CodeDiverged: a hash that differs, a seq beyond the head. The
// page then is complete but for its operations.
func testReadDiverged(t *logTest) {
	wantDiverged := func(after flow.Position, facts flow.Page) {
		t.Helper()
		for _, limit := range []int{0, 10} {
			page, err := t.one.Read(t.Context(), room, flow.Query{After: after, Limit: limit, Sessions: []string{"a"}})
			wantCode(t, err, flow.CodeDiverged)
			wantPage(t, page, facts)
		}
	}
	wantDiverged(flow.Position{Seq: 1, Hash: 1}, flow.Page{})
	sent := t.confirm(ops("a", 1, 5)...)
	facts := flow.Page{Head: sent[4].Position(), Last: map[string]uint64{"a": 5}}
	for _, o := range sent {
		wantDiverged(flow.Position{Seq: o.Seq, Hash: o.Hash ^ 1}, facts)
	}
	wantDiverged(flow.Position{Seq: 6, Hash: 1}, facts)
	wantDiverged(flow.Position{Seq: beyond, Hash: 1}, facts)
	wantDiverged(flow.Position{Hash: 1}, facts)
}

// An unchecked read ignores the hash, and takes a seq beyond the head as an empty page.
func testReadUnchecked(t *logTest) {
	sent := t.confirm(ops("a", 1, 5)...)
	facts := flow.Page{Head: sent[4].Position()}
	for _, seq := range []uint64{5, 6, beyond} {
		wantPage(t, t.read(flow.Query{After: flow.Position{Seq: seq}, Unchecked: true, Limit: 10}), facts)
	}
	for seq := range uint64(5) {
		for _, hash := range []flow.Hash{0, 1} {
			after := flow.Position{Seq: seq, Hash: hash}
			page := t.read(flow.Query{After: after, Unchecked: true, Limit: 1})
			wantOperations(t, page.Operations, sent[seq:seq+1])
		}
	}
}

func wantPage(t testing.TB, got, expected flow.Page) {
	t.Helper()
	want(t, "Page.Head", got.Head, expected.Head)
	want(t, "Page.Base", got.Base, expected.Base)
	want(t, "Page.Last is right", maps.Equal(got.Last, expected.Last), true)
	want(t, "Page.Snapshot", got.Snapshot, expected.Snapshot)
	want(t, "Page.Restored", got.Restored, expected.Restored)
	wantOperations(t, got.Operations, expected.Operations)
}
