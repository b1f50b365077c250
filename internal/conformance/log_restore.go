package conformance

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiberflow/flow"
)

func restoreCases() []logCase {
	brief := LogSettings{Settle: time.Millisecond}
	return []logCase{
		{name: "missing, from zero", settings: brief, run: testRestoreBegin},
		{name: "missing, from above zero", settings: brief, run: testRestoreAbove},
		{name: "tail", settings: brief, run: testRestoreTail},
		{name: "in front", run: testRestoreFront},
		{name: "in front of a log that went on", settings: brief, run: testRestoreFrontLater},
		{name: "in front of many", run: testRestoreFrontOfMany},
		{name: "data", run: testRestoreData},
		{name: "at once", run: testRestoreAtOnce},
	}
}

// middle is a position in the middle of a log, of which nobody knows more.
func middle() flow.Position { return flow.Position{Seq: 100, Hash: 0x1234_5678_9abc_def0} }

// linked returns the operations as they stood behind a position of a log that was lost.
func linked(at flow.Position, list ...flow.Operation) []flow.Operation {
	list = slices.Clone(list)
	for i := range list {
		o := &list[i]
		at = at.Next(o.Session, o.N, flow.DigestOf(o.Data))
		o.Seq, o.Hash = at.Seq, at.Hash
	}
	return list
}

// endOf returns the position after the last of some operations.
func endOf(list []flow.Operation) flow.Position { return list[len(list)-1].Position() }

// restore writes operations behind a fence again, which must be taken, and returns the answers.
func (t *logTest) restore(fence flow.Position, list []flow.Operation) []flow.Appended {
	t.Helper()
	answers := t.appendTo(t.one, flow.Batch{Fence: fence, Restore: true, Operations: list})
	for i, a := range answers {
		want(t, "status", a.Status, flow.Confirmed)
		want(t, "position", flow.Position{Seq: a.Seq, Hash: a.Hash}, list[i].Position())
	}
	return answers
}

// tryRestore is restore where it may be refused.
func (t *logTest) tryRestore(fence flow.Position, list []flow.Operation) error {
	t.Helper()
	_, err := t.one.Append(t.Context(), room, flow.Batch{Fence: fence, Restore: true, Operations: list})
	return err
}

// A log that is missing is written again from its first operation: everything is at the seq and hash it
// had, nobody sees a difference, and the log goes on behind it (I1, I2).
func testRestoreBegin(t *logTest) {
	lost := linked(flow.Position{}, append(ops("a", 1, 5), op("b", 1), op("a", 6))...)
	answers := t.restore(flow.Position{}, lost)
	want(t, "last of a, in the answer", answers[6].Last, 6)
	t.wantAll(lost)
	wantOperations(t, readAll(t, t.other, room), lost)
	page := t.facts("a")
	want(t, "base", page.Base, flow.Position{})
	want(t, "head", page.Head, endOf(lost))
	want(t, "last of a", page.Last["a"], 6)
	t.settled()
	want(t, "answer for a resend", t.append(op("a", 4))[0], flow.Appended{Status: flow.Duplicate, Last: 6})
	for i, fence := range []flow.Position{lost[0].Position(), endOf(lost)} {
		next := flow.Batch{Fence: fence, Operations: ops("b", uint64(i)+2, uint64(i)+2)}
		want(t, "answer for the next", t.appendTo(t.other, next)[0].Seq, uint64(i)+8)
	}
	want(t, "length of the log", len(t.all()), 9)
}

// A log that is missing may begin anywhere: its base is where it begins, and what is before reads as
// trimmed. Newcomers, positions and numbers go on from there (I1, I2, I4).
func testRestoreAbove(t *logTest) {
	lost := linked(middle(), append(ops("a", 41, 43), op("b", 7))...)
	t.restore(middle(), lost)
	t.wantAll(lost)
	stamp := t.facts("").Restored
	facts := flow.Page{Head: endOf(lost), Base: middle(), Last: map[string]uint64{"a": 43}, Restored: stamp}
	for _, after := range []flow.Position{{}, {Seq: 1, Hash: 1}, {Seq: middle().Seq - 1, Hash: middle().Hash}} {
		page, err := t.other.Read(t.Context(), room, flow.Query{After: after, Limit: 10, Sessions: []string{"a"}})
		wantCode(t, err, flow.CodeTrimmed)
		wantPage(t, page, facts)
	}
	fork := flow.Position{Seq: middle().Seq, Hash: middle().Hash ^ 1}
	page, err := t.one.Read(t.Context(), room, flow.Query{After: fork, Limit: 10, Sessions: []string{"a"}})
	wantCode(t, err, flow.CodeDiverged)
	wantPage(t, page, facts)
	facts.Operations = lost[:2]
	wantPage(t, t.read(flow.Query{After: middle(), Limit: 2, Sessions: []string{"a"}}), facts)
	t.settled()
	wantError(t, t.try(fork), flow.ErrFork)
	wantError(t, t.try(flow.Position{Seq: 99, Hash: 1}), flow.ErrFork)
	batch := flow.Batch{Fence: middle(), Operations: []flow.Operation{op("a", 43), op("a", 45), op("a", 44)}}
	answers := t.appendTo(t.one, batch)
	want(t, "answer for a resend", answers[0], flow.Appended{Status: flow.Duplicate, Last: 43})
	want(t, "answer for a gap", answers[1], flow.Appended{Status: flow.Gap, Last: 43})
	want(t, "seq of the next", answers[2].Seq, 105)
}

// A log that lost its tail gets it again behind its head, with numbers that need not follow each other,
// from any instance, and more of it later (I1, I2).
func testRestoreTail(t *logTest) {
	log := t.confirm(ops("a", 1, 3)...)
	first := linked(endOf(log), op("a", 4), op("b", 9), op("a", 7))
	t.appendTo(t.other, flow.Batch{Fence: endOf(log), Restore: true, Operations: first})
	log = append(log, first...)
	t.wantAll(log)
	second := linked(endOf(log), op("a", 8), op("c", 1))
	t.restore(endOf(log), second)
	log = append(log, second...)
	t.wantAll(log)
	for session, last := range map[string]uint64{"a": 8, "b": 9, "c": 1} {
		want(t, "last of "+session, t.facts(session).Last[session], last)
	}
	want(t, "base", t.facts("").Base, flow.Position{})
	t.settled()
	t.wantAll(append(log, t.confirm(op("a", 9), op("b", 10))...))
}

// A log that a restore began is completed in front, by as many batches as it takes, each of which ends
// where the log begins. The head stays, and what is known of sessions never shrinks (I1, I2).
func testRestoreFront(t *logTest) {
	var all []flow.Operation
	for n := uint64(1); n <= 10; n++ {
		all = append(all, op("a", 2*n-1), op("b", n), op("a", 2*n))
	}
	all = linked(flow.Position{}, append([]flow.Operation{op("gone", 1)}, all...)...)
	t.restore(all[25].Position(), all[26:])
	stamp := t.facts("").Restored
	for _, part := range []struct{ from, to int }{{25, 26}, {10, 25}, {3, 10}, {0, 3}} {
		fence := flow.Position{}
		if part.from > 0 {
			fence = all[part.from-1].Position()
		}
		answers := t.restore(fence, all[part.from:part.to])
		if o := all[part.from]; o.Session == "a" {
			want(t, "last of a, in the answer", answers[0].Last, 20)
		}
		page := t.facts("a")
		want(t, "base", page.Base, fence)
		want(t, "head", page.Head, endOf(all))
		want(t, "last of a", page.Last["a"], 20)
		want(t, "Page.Restored", page.Restored, stamp)
		t.wantAll(all[part.from:])
	}
	wantOperations(t, readAll(t, t.other, room), all)
	want(t, "last of b", t.facts("b").Last["b"], 10)
	want(t, "last of one that was only in front", t.facts("gone").Last["gone"], 1)
}

// More can be put in front also when the log has gone on since, and that holds nobody up. A page that
// was read before stays as it is.
func testRestoreFrontLater(t *logTest) {
	all := linked(middle(), ops("a", 1, 9)...)
	t.restore(all[5].Position(), all[6:])
	t.settled()
	all = append(all, t.confirm(op("b", 1))...)
	page := t.read(flow.Query{After: all[5].Position(), Limit: 10})
	kept := len(page.Operations)
	for i := 5; i >= 3; i-- {
		t.restore(all[i-1].Position(), all[i:i+1])
	}
	all = append(all, t.confirm(op("a", 10))...)
	t.restore(middle(), all[:3])
	all = append(all, t.confirm(op("b", 2))...)
	t.wantAll(all)
	want(t, "base", t.facts("").Base, middle())
	wantOperations(t, page.Operations, all[6:6+kept])
}

// As much as an instance keeps can be put in front of as much again.
func testRestoreFrontOfMany(t *logTest) {
	all := linked(middle(), ops("a", 1, 2048)...)
	t.restore(all[1023].Position(), all[1024:])
	t.restore(all[767].Position(), all[768:1024])
	t.restore(middle(), all[:768])
	t.wantAll(all)
}

// What is restored comes back byte for byte: data, sessions, users and times, whatever is in them.
func testRestoreData(t *logTest) {
	texts := []string{`null`, "\x00\xff", "line\r\n", `{"a":"\u0000"}`, string(make([]byte, 64<<10)), ""}
	sessions := []string{"a b", "seq", "hash", "*", "{x}", "ünïcode"}
	list := ops("a", 1, 6)
	for i := range list {
		list[i].Data, list[i].Session, list[i].User, list[i].Time = []byte(texts[i]), sessions[i], texts[i%4], int64(i)
	}
	all := linked(middle(), list...)
	before := slices.Clone(all)
	t.restore(all[2].Position(), all[3:5])
	t.restore(all[4].Position(), all[5:])
	t.restore(middle(), all[:3])
	wantOperations(t, all, before)
	t.wantAll(all)
	wantOperations(t, readAll(t, t.other, room), before)
}

// Of several instances that restore the same at once one does, and the others are told ErrMoved (I1).
func testRestoreAtOnce(t *logTest) {
	all := linked(middle(), ops("a", 1, 30)...)
	steps := []struct {
		fence flow.Position
		list  []flow.Operation
	}{{all[9].Position(), all[10:20]}, {all[19].Position(), all[20:]}, {middle(), all[:10]}}
	for _, step := range steps {
		var restored atomic.Int32
		var running sync.WaitGroup
		for i := range 8 {
			running.Go(func() {
				batch := flow.Batch{Fence: step.fence, Restore: true, Operations: step.list}
				if _, err := []flow.Log{t.one, t.other}[i%2].Append(t.Context(), room, batch); err != nil {
					wantError(t, err, flow.ErrMoved)
					return
				}
				restored.Add(1)
			})
		}
		running.Wait()
		want(t, "restored", restored.Load(), 1)
	}
	t.wantAll(all)
}
