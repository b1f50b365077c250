package conformance

import (
	"time"

	"github.com/fiberflow/flow"
)

func leaseFenceCases() []leaseCase {
	long := LogSettings{Settle: time.Hour}
	return []leaseCase{
		{name: "fence known", run: testLeaseFenceKnown},
		{name: "fence without a log", run: testLeaseNoLog},
		{name: "fence behind and forked", run: testLeaseFenceWrong},
		{name: "fence trimmed", settings: LogSettings{OperationLimit: 4}, run: testLeaseFenceTrimmed},
		{name: "settling after a begin", settings: long, run: testLeaseSettleBegin},
		{name: "settling after a tail", settings: long, run: testLeaseSettleTail},
		{name: "settling, fence first", settings: long, run: testLeaseSettleFence},
		{name: "settled", settings: LogSettings{Settle: brief}, run: testLeaseSettled},
	}
}

// A fence that is in the log, or zero, is none.
func testLeaseFenceKnown(t *leaseTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	fences := []flow.Position{{}, sent[0].Position(), sent[1].Position(), sent[2].Position()}
	for _, fence := range fences {
		for i, handle := range t.handles() {
			_, err := handle.Acquire(t.Context(), room, fence, lease("a", "ann"), i == 0)
			wantError(t, err, nil)
		}
	}
	t.wantLeases(lease("a", "ann"))
}

// Where there is no log, whoever knows more than that gets no lease before the log was restored, held
// before or not: whatever was known of leases may be lost with it.
func testLeaseNoLog(t *leaseTest) {
	known := flow.Position{Seq: 3, Hash: 1}
	for _, held := range []bool{false, true} {
		t.wantRefused(known, lease("a", "ann"), held, flow.ErrNoLog)
	}
	t.take(lease("a", "ann"))
	for _, held := range []bool{false, true} {
		t.wantRefused(known, lease("a", "ann"), held, flow.ErrNoLog)
		t.wantRefused(known, lease("a", "bob"), held, flow.ErrNoLog)
	}
}

// A fence beyond the head is ErrBehind, one with another hash ErrFork, also for the owner, for one who
// had the lease before, and before anything is told of another's.
func testLeaseFenceWrong(t *leaseTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	t.take(lease("a", "ann"))
	for _, c := range []struct {
		fence  flow.Position
		reason error
	}{
		{flow.Position{Seq: 4, Hash: sent[2].Hash}, flow.ErrBehind},
		{flow.Position{Seq: beyond, Hash: 1}, flow.ErrBehind},
		{flow.Position{Seq: 3, Hash: sent[2].Hash ^ 1}, flow.ErrFork},
		{flow.Position{Seq: 1, Hash: sent[1].Hash}, flow.ErrFork},
	} {
		for _, held := range []bool{false, true} {
			for _, l := range []flow.Lease{lease("a", "ann"), lease("a", "bob"), lease("b", "bob")} {
				t.wantRefused(c.fence, l, held, c.reason)
			}
		}
	}
}

// A fence that was trimmed away is not in the log; the one right before the first operation kept is.
func testLeaseFenceTrimmed(t *leaseTest) {
	sent := t.confirm(ops("a", 1, 9)...)
	t.wantRefused(sent[3].Position(), lease("a", "ann"), false, flow.ErrFork)
	_, err := t.one.Acquire(t.Context(), room, sent[4].Position(), lease("a", "ann"), false)
	wantError(t, err, nil)
	t.wantLeases(lease("a", "ann"))
}

// wantSettling checks that of a log that settles leases are only taken by who had them.
func (t *leaseTest) wantSettling(fences ...flow.Position) {
	t.Helper()
	for _, fence := range append(fences, flow.Position{}) {
		t.wantRefused(fence, lease("a", "ann"), false, flow.ErrSettling)
		t.wantRefused(fence, lease("new", "bob"), false, flow.ErrSettling)
	}
}

// After a restore began the log, leases are only taken again that their owners had: others would get
// what somebody has who is about to come back.
func testLeaseSettleBegin(t *leaseTest) {
	all := linked(middle(), ops("a", 1, 3)...)
	t.restore(middle(), all)
	t.wantSettling(middle(), endOf(all))
	for i, fence := range []flow.Position{{}, all[1].Position(), endOf(all)} {
		got, err := t.handles()[i%2].Acquire(t.Context(), room, fence, lease("a", "ann"), true)
		wantError(t, err, nil)
		t.wantLease(got, lease("a", "ann"))
	}
	t.wantLockedAs(true, lease("a", "bob"), lease("a", "ann"))
	t.wantSettling(endOf(all))
	t.release("a", "ann")
	t.wantLeases()
	t.wantSettling()
}

// A log that lost its tail settles too; the leases that it still has stay.
func testLeaseSettleTail(t *leaseTest) {
	log := t.confirm(ops("a", 1, 3)...)
	t.take(lease("a", "ann"), lease("b", "bob"))
	t.restore(endOf(log), linked(endOf(log), op("a", 4)))
	t.wantLeases(lease("a", "ann"), lease("b", "bob"))
	t.wantSettling(endOf(log))
	_, err := t.other.Acquire(t.Context(), room, flow.Position{}, lease("c", "cid"), true)
	wantError(t, err, nil)
	t.wantLeases(lease("a", "ann"), lease("b", "bob"), lease("c", "cid"))
}

// A fence that is not in the log is told as such also while the log settles.
func testLeaseSettleFence(t *leaseTest) {
	all := linked(middle(), ops("a", 1, 3)...)
	t.restore(middle(), all)
	for _, held := range []bool{false, true} {
		t.wantRefused(flow.Position{Seq: 200, Hash: 1}, lease("a", "ann"), held, flow.ErrBehind)
		t.wantRefused(flow.Position{Seq: 102, Hash: 1}, lease("a", "ann"), held, flow.ErrFork)
	}
}

// When the log has settled, anybody gets what nobody has.
func testLeaseSettled(t *leaseTest) {
	t.restore(middle(), linked(middle(), op("a", 1)))
	_, err := t.other.Acquire(t.Context(), room, middle(), lease("a", "ann"), true)
	wantError(t, err, nil)
	t.settled()
	t.take(lease("b", "bob"))
	t.wantLocked(lease("a", "bob"), lease("a", "ann"))
}
