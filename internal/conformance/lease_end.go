package conformance

import (
	"time"

	"github.com/fiberflow/flow"
)

func leaseEndCases() []leaseCase {
	gone := LogSettings{TombstoneTTL: 100 * time.Millisecond}
	return []leaseCase{
		{name: "deleted", run: testLeaseDeleted},
		{name: "new room afterwards", settings: gone, run: testLeaseDeletedAgain},
		{name: "the log's TTL", settings: LogSettings{OperationTTL: 100 * time.Millisecond}, run: testLeaseIdle},
	}
}

// A deleted room answers CodeRoomDeleted, held before or not, whatever the fence.
func testLeaseDeleted(t *leaseTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.take(lease("a", "ann"))
	t.delete()
	for _, handle := range t.handles() {
		for _, fence := range []flow.Position{{}, sent[1].Position(), {Seq: beyond, Hash: 1}} {
			for _, held := range []bool{false, true} {
				_, err := handle.Acquire(t.Context(), room, fence, lease("a", "ann"), held)
				wantCode(t, err, flow.CodeRoomDeleted)
			}
		}
		wantCode(t, handle.Release(t.Context(), room, "a", "ann"), flow.CodeRoomDeleted)
		_, err := handle.Leases(t.Context(), room)
		wantCode(t, err, flow.CodeRoomDeleted)
	}
}

// When the tombstone has ended, nothing is left of the old room's leases.
func testLeaseDeletedAgain(t *leaseTest) {
	t.follow(t.one) // a room may be kept for its followers
	t.take(lease("a", "ann"), lease("b", "bob"))
	t.delete()
	eventually(t, "the tombstone ends", func() bool {
		_, err := t.other.Leases(t.Context(), room)
		return err == nil
	})
	t.wantLeases()
	t.take(lease("a", "cid"))
	t.wantLeases(lease("a", "cid"))
}

// Leases neither keep the log of a room that is idle, nor end with it. Whoever knows of the log then
// gets none.
func testLeaseIdle(t *leaseTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	eventually(t, "the log vanishes", func() bool {
		t.take(lease("a", "ann"))
		page, err := t.other.Read(t.Context(), room, flow.Query{})
		return err == nil && page.Head == flow.Position{}
	})
	t.wantLeases(lease("a", "ann"))
	t.wantRefused(endOf(sent), lease("b", "bob"), false, flow.ErrNoLog)
}
