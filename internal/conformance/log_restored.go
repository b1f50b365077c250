package conformance

import (
	"time"

	"github.com/fiberflow/flow"
)

func restoredCases() []logCase {
	brief, short := time.Millisecond, LogSettings{OperationLimit: 4, Settle: time.Millisecond}
	return []logCase{
		{name: "trimmed by the next append", settings: short, run: testRestoredTrim},
		{name: "snapshot", settings: LogSettings{OperationLimit: 4, Settle: brief}, run: testRestoredSnapshot},
		{name: "idle", settings: LogSettings{OperationTTL: 100 * time.Millisecond}, run: testRestoredExpiry},
		{name: "renewed", settings: LogSettings{OperationTTL: renewing}, run: testRestoredRenewed},
		{name: "followers", settings: LogSettings{Settle: brief}, run: testRestoredFollowers},
		{name: "deleted", run: testRestoredDeleted},
		{name: "new room afterwards", settings: LogSettings{TombstoneTTL: brief}, run: testRestoredNew},
		{name: "restored after that", settings: LogSettings{TombstoneTTL: brief}, run: testRestoredAnew},
	}
}

// A restore trims nothing, so that others can put more in front of it; the next append trims to the
// limit.
func testRestoredTrim(t *logTest) {
	all := linked(middle(), ops("a", 1, 30)...)
	t.restore(all[19].Position(), all[20:])
	t.restore(all[9].Position(), all[10:20])
	t.restore(middle(), all[:10])
	t.wantAll(all)
	t.settled()
	t.append(op("a", 1)) // a duplicate: nothing is written
	t.wantAll(all)
	all = append(all, t.confirm(op("a", 31))...)
	t.wantAll(all[27:])
	want(t, "base", t.facts("").Base, all[26].Position())
	want(t, "answer for what was trimmed", t.append(op("a", 2))[0], flow.Appended{Status: flow.Duplicate, Last: 31})
}

// A snapshot stands in a restored log as in any other: at the base or after it, not before. It stays
// through restores, and nothing after it is trimmed.
func testRestoredSnapshot(t *logTest) {
	all := linked(middle(), ops("a", 1, 12)...)
	t.restore(all[5].Position(), all[6:9])
	before := flow.Snapshot{Position: all[4].Position(), Data: []byte(`{}`)}
	wantCode(t, t.one.SaveSnapshot(t.Context(), room, before), flow.CodeDiverged)
	t.save(all[5].Position(), `"at the base"`)
	t.wantSnapshot(all[5].Position(), `"at the base"`)
	t.restore(middle(), all[:6])
	t.wantSnapshot(all[5].Position(), `"at the base"`)
	t.restore(all[8].Position(), all[9:])
	t.wantSnapshot(all[5].Position(), `"at the base"`)
	t.settled()
	all = append(all, t.confirm(op("a", 13))...)
	t.wantAll(all[6:])
	t.wantSnapshot(all[5].Position(), `"at the base"`)
}

// The log of an idle room vanishes also when it was restored, and with it the stamp and the settling:
// what is written then begins a new log. It can be restored once more.
func testRestoredExpiry(t *logTest) {
	t.follow(t.one) // a room may be kept for its followers
	all := linked(middle(), ops("a", 1, 9)...)
	for range 2 {
		t.restore(all[5].Position(), all[6:])
		t.restore(middle(), all[:6]) // on a slow machine it begins yet another log
		eventually(t, "the log vanishes", func() bool {
			page, err := t.other.Read(t.Context(), room, flow.Query{Sessions: []string{"a"}})
			return err == nil && page.Head == flow.Position{} && page.Last["a"] == 0 && page.Restored == 0
		})
		wantError(t, t.try(endOf(all)), flow.ErrNoLog)
	}
	want(t, "seq of the first of a new log", t.confirm(op("a", 1))[0].Seq, 1)
}

// What is restored renews the TTL of everything.
func testRestoredRenewed(t *logTest) {
	list := linked(middle(), op("a", 1))
	t.restore(middle(), list)
	batch := flow.Batch{Fence: middle(), Restore: true, Operations: list}
	if _, err := t.one.Append(t.Context(), "idle", batch); err != nil {
		t.Fatalf("restore of the idle room: %v", err)
	}
	eventually(t, "the idle room vanishes", func() bool {
		next := linked(endOf(list), op("a", uint64(len(list))+1))
		t.restore(endOf(list), next)
		list = append(list, next...)
		page, err := t.other.Read(t.Context(), "idle", flow.Query{After: middle(), Unchecked: true})
		if err != nil {
			t.Fatalf("Read of the idle room: %v", err)
		}
		return page.Head == flow.Position{}
	})
	t.wantAll(list)
}

// Followers are told a gap of whatever is restored, and none of its operations; of what is appended
// afterwards they are told again (I2).
func testRestoredFollowers(t *logTest) {
	here, there := t.follow(t.one), t.follow(t.other)
	all := linked(middle(), ops("a", 1, 9)...)
	for i, part := range []struct{ from, to int }{{3, 6}, {6, 9}, {0, 3}} {
		fence := middle()
		if part.from > 0 {
			fence = all[part.from-1].Position()
		}
		t.restore(fence, all[part.from:part.to])
		for _, l := range []*listener{here, there} {
			l.hasGaps(i + 2)
			l.hears(all[part.from:part.to]...)
		}
	}
	t.settled()
	all = append(all, t.confirm(ops("a", 10, 12)...)...)
	for _, l := range []*listener{here, there} {
		l.hears(all...)
		l.mu.Lock()
		for _, o := range all[:9] {
			want(t, "operation restored was told", l.told[o.Seq], false)
		}
		l.mu.Unlock()
	}
}

// A deleted room stays deleted, whatever an instance still has of it: the tombstone wins (I1).
func testRestoredDeleted(t *logTest) {
	all := linked(flow.Position{}, ops("a", 1, 6)...)
	t.restore(all[2].Position(), all[3:])
	t.delete()
	for _, fence := range []int{0, 3, 6} {
		at := flow.Position{}
		if fence > 0 {
			at = all[fence-1].Position()
		}
		wantCode(t, t.tryRestore(at, linked(at, op("b", 1))), flow.CodeRoomDeleted)
	}
	wantCode(t, t.tryRestore(flow.Position{}, all), flow.CodeRoomDeleted)
	wantCode(t, t.tryRestore(middle(), all), flow.CodeRoomDeleted)
}

// When the tombstone has ended, the id is a new room, neither restored nor settling.
func testRestoredNew(t *logTest) {
	t.follow(t.one) // a room may be kept for its followers
	t.restore(middle(), linked(middle(), ops("a", 1, 6)...))
	t.delete()
	eventually(t, "the tombstone ends", func() bool {
		_, err := t.other.Append(t.Context(), room, flow.Batch{})
		return err == nil
	})
	wantPage(t, t.facts("a"), flow.Page{})
	t.confirm(op("a", 1))
	want(t, "Page.Restored", t.facts("").Restored, 0)
}

// Followers of a room that was deleted and then restored hear of the deletion, and then of a gap.
func testRestoredAnew(t *logTest) {
	here, there := t.follow(t.one), t.follow(t.other)
	t.confirm(op("a", 1))
	t.delete()
	all := linked(middle(), ops("b", 1, 3)...)
	eventually(t, "the tombstone ends", func() bool { return t.tryRestore(middle(), all) == nil })
	for _, l := range []*listener{here, there} {
		eventually(t, "the deletion is told", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.deleted == 1
		})
		l.hears(all...)
	}
}
