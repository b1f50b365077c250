package conformance

import (
	"errors"
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

func settleCases() []logCase {
	long, brief := LogSettings{Settle: time.Hour}, LogSettings{Settle: time.Millisecond}
	return []logCase{
		{name: "after a begin", settings: long, run: testSettleBegin},
		{name: "after a tail", settings: long, run: testSettleTail},
		{name: "fence first", settings: long, run: testSettleFence},
		{name: "keys", settings: long, run: testSettleKeys},
		{name: "restores go on", settings: long, run: testSettleRestores},
		{name: "snapshot and deletion", settings: long, run: testSettleOthers},
		{name: "one time in a window", settings: long, run: testStampOnce},
		{name: "again after it", settings: brief, run: testStampAgain},
		{name: "not by what is in front", settings: brief, run: testStampFront},
		{name: "over", settings: LogSettings{Settle: 100 * time.Millisecond}, run: testSettleOver},
		{name: "not prolonged", settings: LogSettings{Settle: 100 * time.Millisecond}, run: testSettleProlonged},
		{name: "half a second by default", run: testSettleDefault},
	}
}

// settled waits until the log is not settling.
func (t *logTest) settled() {
	t.Helper()
	eventually(t, "the log has settled", func() bool { return !t.settling() })
}

// settling reports whether the log takes nothing but restores.
func (t *logTest) settling() bool {
	t.Helper()
	_, err := t.one.Append(t.Context(), room, flow.Batch{})
	if err != nil && !errors.Is(err, flow.ErrSettling) {
		t.Fatalf("Append of nothing: %v", err)
	}
	return err != nil
}

// wantSettling checks that nothing but a restore is taken, from any instance, and nothing written.
func (t *logTest) wantSettling(fences ...flow.Position) {
	t.Helper()
	facts, log := t.facts("a"), t.all()
	for _, fence := range append(fences, flow.Position{}) {
		for _, handle := range []flow.Log{t.one, t.other} {
			for _, b := range []flow.Batch{
				{}, {Operations: ops("a", 1, 1)}, {Operations: ops("a", facts.Last["a"]+1, facts.Last["a"]+2)},
				{Operations: ops("new", 5, 5), Jump: true}, keyed("key while settling", "b", "1"),
			} {
				b.Fence = fence
				_, err := handle.Append(t.Context(), room, b)
				wantError(t, err, flow.ErrSettling)
			}
		}
	}
	wantPage(t, t.facts("a"), facts)
	t.wantAll(log)
}

// After a restore began the log, nothing new is written for the window: others may have more of it (I1).
func testSettleBegin(t *logTest) {
	want(t, "settling before", t.settling(), false)
	all := linked(middle(), ops("a", 1, 3)...)
	t.restore(middle(), all)
	t.wantSettling(middle(), all[1].Position(), endOf(all))
}

// After a restore lengthened the log, nothing new is written for the window (I1).
func testSettleTail(t *logTest) {
	log := t.confirm(ops("a", 1, 3)...)
	want(t, "settling before", t.settling(), false)
	t.restore(endOf(log), linked(endOf(log), op("a", 4)))
	t.wantSettling(log[0].Position(), endOf(log))
}

// A fence that is not in the log is told as such also while the log settles: the caller has something
// to restore.
func testSettleFence(t *logTest) {
	all := linked(middle(), ops("a", 1, 3)...)
	t.restore(middle(), all)
	wantError(t, t.try(flow.Position{Seq: 200, Hash: 1}), flow.ErrBehind)
	wantError(t, t.try(flow.Position{Seq: 102, Hash: 1}), flow.ErrFork)
	wantError(t, t.try(flow.Position{Seq: 7, Hash: 1}), flow.ErrFork)
}

// A retry that is known is answered also while the log settles; a key that comes first then is not
// used up.
func testSettleKeys(t *logTest) {
	batch := keyed("k", "a", "1", "2")
	answers := t.appendTo(t.one, batch)
	log := t.all()
	t.restore(endOf(log), linked(endOf(log), op("b", 1)))
	if got := t.appendTo(t.other, batch); !slices.Equal(got, answers) {
		t.Errorf("answers are %+v, want %+v", got, answers)
	}
	_, err := t.one.Append(t.Context(), room, keyed("k", "a", "other"))
	wantCode(t, err, flow.CodeRejected)
	for _, text := range []string{"1", "2"} {
		_, err = t.one.Append(t.Context(), room, keyed("new", "c", text))
		wantError(t, err, flow.ErrSettling)
	}
}

// While the log settles everybody restores what it has: behind, in front, and of sessions (I1).
func testSettleRestores(t *logTest) {
	all := linked(middle(), ops("a", 1, 9)...)
	t.restore(all[2].Position(), all[3:6])
	for _, step := range []flow.Batch{
		{Fence: all[5].Position(), Operations: all[6:8]},
		{Fence: all[7].Position(), Operations: all[8:], Sessions: map[string]uint64{"b": 3}},
		{Fence: middle(), Operations: all[:3]},
		{Fence: endOf(all), Sessions: map[string]uint64{"c": 4}},
	} {
		step.Restore = true
		t.appendTo(t.other, step)
	}
	t.wantAll(all)
	want(t, "last of b", t.facts("b").Last["b"], 3)
	want(t, "last of c", t.facts("c").Last["c"], 4)
	t.wantSettling(endOf(all))
}

// Snapshots are saved and rooms deleted while the log settles.
func testSettleOthers(t *logTest) {
	all := linked(middle(), ops("a", 1, 3)...)
	t.restore(middle(), all)
	t.save(all[1].Position(), `{}`)
	t.wantSnapshot(all[1].Position(), `{}`)
	t.wantSettling()
	t.delete()
	t.wantDeleted(endOf(all))
}

// Page.Restored is 0 until a restore, then the time of it, and restores within one window are one time.
// Every page tells it.
func testStampOnce(t *logTest) {
	log := t.confirm(ops("a", 1, 3)...)
	want(t, "Page.Restored before", t.facts("").Restored, 0)
	before := time.Now()
	all := linked(endOf(log), ops("a", 4, 9)...)
	t.restore(endOf(log), all[:3])
	stamp := t.facts("").Restored
	if off := time.UnixMilli(stamp).Sub(before); off.Abs() > time.Minute {
		t.Errorf("Page.Restored is %d, %v from now", stamp, off)
	}
	t.restore(all[2].Position(), all[3:])
	t.note(endOf(all), map[string]uint64{"b": 1})
	facts := flow.Page{Head: endOf(all), Restored: stamp, Last: map[string]uint64{"a": 9}}
	wantPage(t, t.read(flow.Query{Sessions: []string{"a"}}), facts)
	page, err := t.other.Read(t.Context(), room, flow.Query{After: middle(), Limit: 5, Sessions: []string{"a"}})
	wantCode(t, err, flow.CodeDiverged)
	wantPage(t, page, facts)
}

// A restore in another window is another time; what is appended in between changes nothing.
func testStampAgain(t *logTest) {
	all := linked(middle(), op("a", 1))
	t.restore(middle(), all)
	known := map[int64]bool{0: true}
	for n := uint64(2); n <= 6; n += 2 {
		stamp := t.facts("").Restored
		if known[stamp] {
			t.Errorf("Page.Restored is %d again", stamp)
		}
		known[stamp] = true
		t.settled()
		all = append(all, t.confirm(op("a", n))...)
		want(t, "Page.Restored after an append", t.facts("").Restored, stamp)
		tail := linked(endOf(all), op("a", n+1))
		t.restore(endOf(all), tail)
		all = append(all, tail...)
	}
}

// What is put in front neither lengthens the log nor begins it: nothing waits for it, and the time
// stays.
func testStampFront(t *logTest) {
	all := linked(middle(), ops("a", 1, 6)...)
	t.restore(all[2].Position(), all[3:])
	stamp := t.facts("").Restored
	t.settled()
	t.restore(middle(), all[:3])
	want(t, "Page.Restored", t.facts("").Restored, stamp)
	t.confirm(op("a", 7))
}

// The window ends by itself, and not early.
func testSettleOver(t *logTest) {
	before := time.Now()
	t.restore(middle(), linked(middle(), op("a", 1)))
	t.settled()
	t.wantLasted(before, t.settings.Settle)
	t.confirm(op("a", 2))
}

// wantLasted checks that a window since then was not shorter; a clock of whole milliseconds may cut one.
func (t *logTest) wantLasted(since time.Time, window time.Duration) {
	t.Helper()
	if lasted := time.Since(since); lasted < window-time.Millisecond {
		t.Errorf("the log settled for %v, want %v", lasted, window)
	}
}

// Restores within the window do not make it longer: nobody can hold up a room by restoring it.
func testSettleProlonged(t *logTest) {
	all := linked(middle(), op("a", 1))
	t.restore(middle(), all)
	eventually(t, "the log has settled", func() bool {
		if !t.settling() {
			return true
		}
		tail := linked(endOf(all), op("a", uint64(len(all))+1))
		t.restore(endOf(all), tail)
		all = append(all, tail...)
		return false
	})
	t.wantAll(all)
}

// When nothing else was set, the window is flow.SettleWindow.
func testSettleDefault(t *logTest) {
	before := time.Now()
	t.restore(middle(), linked(middle(), op("a", 1)))
	t.settled()
	t.wantLasted(before, flow.SettleWindow)
}
