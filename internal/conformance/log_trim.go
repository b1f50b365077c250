package conformance

import (
	"fmt"

	"github.com/fiberflow/flow"
)

func trimCases() []logCase {
	cases := []logCase{
		{name: "long batch", settings: LogSettings{OperationLimit: 10}, run: testTrimLongBatch},
		{name: "reading what was trimmed", settings: LogSettings{OperationLimit: 4}, run: testReadTrimmed},
		{name: "duplicates remembered", settings: LogSettings{OperationLimit: 4}, run: testTrimDuplicates},
		{name: "never past the snapshot", settings: LogSettings{OperationLimit: 8}, run: testTrimSnapshot},
		{name: "far beyond the snapshot", settings: LogSettings{OperationLimit: 20}, run: testTrimHardLimit},
		{name: "snapshot trims nothing", settings: LogSettings{OperationLimit: 5}, run: testTrimBySnapshot},
		{name: "default limit", run: testTrimDefault},
	}
	for _, limit := range []int{1, 7, 8, 20, 1000} {
		cases = append(cases, logCase{
			name: fmt.Sprint("limit ", limit), settings: LogSettings{OperationLimit: limit}, run: testTrimLimit,
		})
	}
	return cases
}

// A room that never had a snapshot is trimmed at the limit: with the slack that flow.TrimSlack says,
// and then to exactly the limit. Base is the position before the first operation kept.
func testTrimLimit(t *logTest) {
	limit := t.settings.OperationLimit
	slack := flow.TrimSlack(limit)
	sent := t.confirm(ops("a", 1, uint64(limit+slack))...)
	want(t, "base with all its slack", t.facts("").Base, flow.Position{})
	first := uint64(1)
	for range 2*slack + 3 {
		sent = append(sent, t.confirm(op("a", uint64(len(sent))+1))...)
		first = flow.TrimFirst(first, uint64(len(sent)), 0, limit)
		wantBase(t, sent, first)
	}
	t.wantAll(sent[first-1:])
}

// wantBase checks that first is the first operation kept; sent is all there ever was.
func wantBase(t *logTest, sent []flow.Operation, first uint64) {
	t.Helper()
	page := t.facts("")
	want(t, "head", page.Head, sent[len(sent)-1].Position())
	if first == 1 {
		want(t, "base", page.Base, flow.Position{})
		return
	}
	want(t, "base", page.Base, sent[first-2].Position())
}

// A batch is confirmed as a whole also where the log cannot keep all of it.
func testTrimLongBatch(t *logTest) {
	sent := t.confirm(ops("a", 1, 35)...)
	wantBase(t, sent, 26)
	t.wantAll(sent[25:])
}

// A read below the first operation kept is CodeTrimmed, whatever the hash and also unchecked, with a
// page that is complete but for its operations. At the base it is read as anywhere else.
func testReadTrimmed(t *logTest) {
	sent := t.confirm(ops("a", 1, 9)...)
	facts := flow.Page{Head: sent[8].Position(), Base: sent[4].Position(), Last: map[string]uint64{"a": 9}}
	below := []flow.Position{{}, sent[0].Position(), sent[3].Position(), {Seq: 4, Hash: 1}, {Hash: 1}}
	for _, after := range below {
		for _, unchecked := range []bool{false, true} {
			for _, limit := range []int{0, 10} {
				q := flow.Query{After: after, Unchecked: unchecked, Limit: limit, Sessions: []string{"a"}}
				page, err := t.one.Read(t.Context(), room, q)
				wantCode(t, err, flow.CodeTrimmed)
				wantPage(t, page, facts)
			}
		}
	}
	_, err := t.one.Read(t.Context(), room, flow.Query{After: flow.Position{Seq: 5, Hash: 1}, Limit: 1})
	wantCode(t, err, flow.CodeDiverged)
	facts.Operations = sent[5:]
	wantPage(t, t.read(flow.Query{After: facts.Base, Limit: 10, Sessions: []string{"a"}}), facts)
	unchecked := flow.Query{After: flow.Position{Seq: 5}, Unchecked: true, Limit: 10, Sessions: []string{"a"}}
	wantPage(t, t.read(unchecked), facts)
}

// What was trimmed is still known to be in the log: a resend of it is a duplicate (I1).
func testTrimDuplicates(t *logTest) {
	t.confirm(ops("a", 1, 3)...)
	t.confirm(ops("b", 1, 30)...)
	want(t, "last", t.facts("a").Last["a"], 3)
	want(t, "answer", t.append(op("a", 2))[0], flow.Appended{Status: flow.Duplicate, Last: 3})
	want(t, "status of the next", t.append(op("a", 4))[0].Status, flow.Confirmed)
}

// A log with a snapshot keeps every operation after it, however many, and beyond the limit none before
// it.
func testTrimSnapshot(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.save(sent[1].Position(), `"at 2"`)
	first := uint64(1)
	for range 20 {
		sent = append(sent, t.confirm(op("a", uint64(len(sent))+1))...)
		first = flow.TrimFirst(first, uint64(len(sent)), 2, 8)
		wantBase(t, sent, first)
	}
	want(t, "first operation kept", first, 3)
	t.wantAll(sent[2:])
	got, err := t.one.Snapshot(t.Context(), room)
	if err != nil || got.Position != sent[1].Position() {
		t.Errorf("Snapshot: %v, %v, want it at %v", got.Position, err, sent[1].Position())
	}
}

// fillTo appends operations of "a", who sent all there are, until there are n, and returns all.
func (t *logTest) fillTo(sent []flow.Operation, n int) []flow.Operation {
	t.Helper()
	for len(sent) < n {
		next := ops("a", uint64(len(sent))+1, uint64(min(len(sent)+500, n)))
		sent = append(sent, t.confirm(next...)...)
	}
	return sent
}

// A log that is at flow.HardLimit beyond its snapshot still has it and all that follows. One operation
// more, and it is trimmed to its limit as if there were no snapshot; then there is none, until one is saved
// where the log is now.
func testTrimHardLimit(t *logTest) {
	limit := t.settings.OperationLimit
	sent := t.confirm(ops("a", 1, 2)...)
	t.save(sent[1].Position(), `"at 2"`)
	sent = t.fillTo(sent, 2+flow.HardLimit(limit))
	t.wantSnapshot(sent[1].Position(), `"at 2"`)
	wantBase(t, sent, 3)
	sent = t.fillTo(sent, len(sent)+1)
	first := len(sent) - limit + 1
	wantBase(t, sent, uint64(first))
	t.wantAll(sent[first-1:])
	for _, log := range []flow.Log{t.one, t.other} {
		_, err := log.Snapshot(t.Context(), room)
		wantCode(t, err, flow.CodeNotFound)
		page, err := log.Read(t.Context(), room, flow.Query{After: sent[1].Position()})
		wantCode(t, err, flow.CodeTrimmed)
		want(t, "Page.Snapshot", page.Snapshot, flow.Position{})
		late := flow.Snapshot{Position: sent[1].Position(), Data: []byte(`"late"`)}
		wantCode(t, log.SaveSnapshot(t.Context(), room, late), flow.CodeDiverged)
	}
	t.save(sent[first-2].Position(), `"new"`)
	t.wantSnapshot(sent[first-2].Position(), `"new"`)
	sent = t.fillTo(sent, len(sent)+100)
	wantBase(t, sent, uint64(first))
	t.wantSnapshot(sent[first-2].Position(), `"new"`)
}

// A newer snapshot does not trim; the next append does, up to it or to the limit, whichever keeps more.
func testTrimBySnapshot(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.save(sent[1].Position(), `"at 2"`)
	sent = append(sent, t.confirm(ops("a", 4, 20)...)...)
	t.save(sent[9].Position(), `"at 10"`)
	wantBase(t, sent, 3)
	sent = append(sent, t.confirm(op("a", 21))...)
	wantBase(t, sent, 11)
	t.save(sent[20].Position(), `"at 21"`)
	wantBase(t, sent, 11)
	sent = append(sent, t.confirm(op("a", 22))...)
	wantBase(t, sent, 18)
	t.wantAll(sent[17:])
}

// A room keeps 10,000 operations when nothing else was set.
func testTrimDefault(t *logTest) {
	const limit = 10_000
	sent := t.fillTo(nil, limit+64)
	wantBase(t, sent, 1)
	sent = append(sent, t.confirm(op("a", limit+65))...)
	wantBase(t, sent, 66)
}
