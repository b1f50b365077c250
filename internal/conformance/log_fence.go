package conformance

import "github.com/fiberflow/flow"

func fenceCases() []logCase {
	return []logCase{
		{name: "known", run: testFenceKnown},
		{name: "no log", run: testFenceNoLog},
		{name: "behind", run: testFenceBehind},
		{name: "fork", run: testFenceFork},
		{name: "trimmed", settings: LogSettings{OperationLimit: 4}, run: testFenceTrimmed},
		{name: "probe", run: testFenceProbe},
	}
}

// A batch whose fence is in the log, or zero, is appended, however far the log has gone on.
func testFenceKnown(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	fences := []flow.Position{{}, sent[0].Position(), sent[1].Position(), sent[2].Position()}
	for i, fence := range fences {
		o := op("b", uint64(i)+1)
		a := t.appendTo(t.one, flow.Batch{Fence: fence, Operations: []flow.Operation{o}})[0]
		want(t, "status", a.Status, flow.Confirmed)
		want(t, "seq", a.Seq, uint64(4+i))
	}
}

// Where there is no log, a fence is refused with ErrNoLog, and nothing is written: the caller knows
// more than the log.
func testFenceNoLog(t *logTest) {
	wantError(t, t.try(flow.Position{Seq: 1, Hash: 1}), flow.ErrNoLog)
	wantError(t, t.try(flow.Position{Seq: beyond, Hash: 1}), flow.ErrNoLog)
	t.wantAll(nil)
}

// A fence beyond the head is refused with ErrBehind, and nothing is written.
func testFenceBehind(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	next := sent[2].Position()
	next.Seq++
	wantError(t, t.try(next), flow.ErrBehind)
	wantError(t, t.try(flow.Position{Seq: beyond, Hash: 1}), flow.ErrBehind)
	t.wantAll(sent)
}

// A fence at whose seq the log has another hash is refused with ErrFork, and nothing is written.
func testFenceFork(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	for _, o := range sent {
		other := o.Position()
		other.Hash ^= 1
		wantError(t, t.try(other), flow.ErrFork)
	}
	t.wantAll(sent)
}

// A fence that was trimmed away is not in the log: ErrFork. The one right before the first operation
// kept still is.
func testFenceTrimmed(t *logTest) {
	sent := t.confirm(ops("a", 1, 9)...)
	base := t.facts("").Base
	want(t, "base", base, sent[4].Position())
	wantError(t, t.try(sent[3].Position()), flow.ErrFork)
	wantError(t, t.try(sent[0].Position()), flow.ErrFork)
	wantError(t, t.try(flow.Position{Seq: base.Seq, Hash: base.Hash ^ 1}), flow.ErrFork)
	t.wantAll(sent[5:])
	if err := t.try(base); err != nil {
		t.Errorf("fence at the base: %v", err)
	}
}

// A batch of nothing asks only for its fence, and so does one that restores nothing.
func testFenceProbe(t *logTest) {
	probe := func(fence flow.Position, restore bool) error {
		_, err := t.one.Append(t.Context(), room, flow.Batch{Fence: fence, Restore: restore})
		return err
	}
	for _, restore := range []bool{false, true} {
		wantError(t, probe(flow.Position{Seq: 1, Hash: 1}, restore), flow.ErrNoLog)
		wantError(t, probe(flow.Position{}, restore), nil)
	}
	sent := t.confirm(ops("a", 1, 3)...)
	for _, restore := range []bool{false, true} {
		wantError(t, probe(flow.Position{Seq: 4, Hash: 1}, restore), flow.ErrBehind)
		wantError(t, probe(flow.Position{Seq: 2, Hash: 1}, restore), flow.ErrFork)
		wantError(t, probe(sent[1].Position(), restore), nil)
		wantError(t, probe(sent[2].Position(), restore), nil)
		wantError(t, probe(flow.Position{}, restore), nil)
	}
	t.wantAll(sent)
}
