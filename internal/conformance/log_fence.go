package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/fiberflow/flow"
)

func fenceCases() []logCase {
	return []logCase{
		{name: "known", run: testFenceKnown},
		{name: "no log", run: testFenceNoLog},
		{name: "behind", run: testFenceBehind},
		{name: "fork", run: testFenceFork},
		{name: "trimmed", settings: LogSettings{OperationLimit: 4}, run: testFenceTrimmed},
		{name: "probe", run: testFenceProbe},
		{name: "exact", run: testExact},
		{name: "exact on nothing", run: testExactOnNothing},
		{name: "exact and one winner", run: testExactOnce},
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
	wantError(t, t.try(flow.Position{Seq: 1, Hash: 1}, false), flow.ErrNoLog)
	wantError(t, t.try(flow.Position{Seq: beyond, Hash: 1}, true), flow.ErrNoLog)
	t.wantAll(nil)
}

// A fence beyond the head is refused with ErrBehind, also with Restore, and nothing is written.
func testFenceBehind(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	next := sent[2].Position()
	next.Seq++
	wantError(t, t.try(next, false), flow.ErrBehind)
	wantError(t, t.try(next, true), flow.ErrBehind)
	wantError(t, t.try(flow.Position{Seq: beyond, Hash: 1}, false), flow.ErrBehind)
	t.wantAll(sent)
}

// A fence at whose seq the log has another hash is refused with ErrFork, also with Restore, and nothing
// is written.
func testFenceFork(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	for _, o := range sent {
		other := o.Position()
		other.Hash ^= 1
		wantError(t, t.try(other, false), flow.ErrFork)
		wantError(t, t.try(other, true), flow.ErrFork)
	}
	t.wantAll(sent)
}

// A fence that was trimmed away is not in the log: ErrFork. The one right before the first operation
// kept still is.
func testFenceTrimmed(t *logTest) {
	sent := t.confirm(ops("a", 1, 9)...)
	base := t.facts("").Base
	want(t, "base", base, sent[4].Position())
	wantError(t, t.try(sent[3].Position(), false), flow.ErrFork)
	wantError(t, t.try(sent[0].Position(), true), flow.ErrFork)
	wantError(t, t.try(flow.Position{Seq: base.Seq, Hash: base.Hash ^ 1}, false), flow.ErrFork)
	wantError(t, t.try(base, true), flow.ErrMoved)
	t.wantAll(sent[5:])
	if err := t.try(base, false); err != nil {
		t.Errorf("fence at the base: %v", err)
	}
}

// A batch of nothing asks only for its fence.
func testFenceProbe(t *logTest) {
	probe := func(fence flow.Position, exact bool) error {
		_, err := t.one.Append(t.Context(), room, flow.Batch{Fence: fence, Restore: exact})
		return err
	}
	wantError(t, probe(flow.Position{Seq: 1, Hash: 1}, false), flow.ErrNoLog)
	sent := t.confirm(ops("a", 1, 3)...)
	for _, exact := range []bool{false, true} {
		wantError(t, probe(flow.Position{Seq: 4, Hash: 1}, exact), flow.ErrBehind)
		wantError(t, probe(flow.Position{Seq: 2, Hash: 1}, exact), flow.ErrFork)
		wantError(t, probe(sent[2].Position(), exact), nil)
	}
	wantError(t, probe(sent[1].Position(), false), nil)
	wantError(t, probe(sent[1].Position(), true), flow.ErrMoved)
}

// An exact batch is appended at the head only; elsewhere in the log it is ErrMoved, and nothing is
// written.
func testExact(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	wantError(t, t.try(sent[1].Position(), true), flow.ErrMoved)
	wantError(t, t.try(flow.Position{}, true), flow.ErrMoved)
	t.wantAll(sent)
	if err := t.try(sent[2].Position(), true); err != nil {
		t.Errorf("exact at the head: %v", err)
	}
	want(t, "seq of the head", t.facts("").Head.Seq, 4)
}

// An exact batch with the zero fence starts a log, and only that.
func testExactOnNothing(t *logTest) {
	if err := t.try(flow.Position{}, true); err != nil {
		t.Errorf("exact on nothing: %v", err)
	}
	wantError(t, t.try(flow.Position{}, true), flow.ErrMoved)
	want(t, "seq of the head", t.facts("").Head.Seq, 1)
}

// Of several instances that append exactly at the same head, one is confirmed and the others are told
// ErrMoved.
func testExactOnce(t *logTest) {
	fence := t.confirm(op("a", 1))[0].Position()
	var confirmed atomic.Int32
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			log := []flow.Log{t.one, t.other}[i%2]
			batch := flow.Batch{Fence: fence, Restore: true, Operations: ops(fmt.Sprint("writer", i), 1, 2)}
			if _, err := log.Append(t.Context(), room, batch); err != nil {
				wantError(t, err, flow.ErrMoved)
				return
			}
			confirmed.Add(1)
		})
	}
	running.Wait()
	want(t, "exact batches confirmed", confirmed.Load(), 1)
	want(t, "seq of the head", t.facts("").Head.Seq, 3)
}
