package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

func leaseCases() []leaseCase {
	return []leaseCase{
		{name: "none", run: testLeaseNone},
		{name: "taken", run: testLeaseTaken},
		{name: "locked", run: testLeaseLocked},
		{name: "renewed", run: testLeaseRenewed},
		{name: "shortened", run: testLeaseShortened},
		{name: "released", run: testLeaseReleased},
		{name: "not the owner's to release", run: testLeaseReleaseOther},
		{name: "ends", run: testLeaseEnds},
		{name: "time left", run: testLeaseTimeLeft},
		{name: "order", run: testLeaseOrder},
		{name: "names", run: testLeaseNames},
		{name: "rooms apart", run: testLeaseRooms},
		{name: "one winner", run: testLeaseOneWinner},
		{name: "at once", run: testLeaseAtOnce},
	}
}

// A room has no leases at first, written or not; to release one that is not there is no error.
func testLeaseNone(t *leaseTest) {
	t.wantLeases()
	t.release("a", "ann")
	t.confirm(ops("a", 1, 3)...)
	t.wantLeases()
	t.release("a", "ann")
	t.wantLeases()
}

// What nobody has is had by whom asks first, and everybody sees it. An owner may have many, said to have
// been held before or not, with or without a log.
func testLeaseTaken(t *leaseTest) {
	a, b, c := lease("a", "ann"), lease("b", "ann"), lease("c", "bob")
	t.take(a)
	sent := t.confirm(ops("a", 1, 3)...)
	t.take(b)
	got, err := t.other.Acquire(t.Context(), room, sent[1].Position(), c, true)
	wantError(t, err, nil)
	t.wantLease(got, c)
	t.wantLeases(a, b, c)
	t.wantAll(sent)
}

// What one has no other gets, by whatever instance, and learns who has it and for how long.
func testLeaseLocked(t *leaseTest) {
	a, b := lease("a", "ann"), flow.Lease{Name: "b", Owner: "bob", TTL: flow.MaxLease / 2}
	t.take(a, b)
	t.wantLocked(flow.Lease{Name: "a", Owner: "bob", TTL: time.Second}, a)
	t.wantLocked(lease("a", "Ann"), a)
	t.wantLocked(lease("b", "ann"), b)
	t.wantLeases(a, b)
}

// Its owner may acquire a lease again, from any instance: it then lasts as long as was asked for last.
func testLeaseRenewed(t *leaseTest) {
	t.take(flow.Lease{Name: "a", Owner: "ann", TTL: brief})
	if _, err := t.other.Acquire(t.Context(), room, flow.Position{}, lease("a", "ann"), true); err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	t.take(flow.Lease{Name: "b", Owner: "bob", TTL: brief})
	t.becomesFree(lease("b", "cid")) // what was asked for at first is over
	t.wantLocked(lease("a", "bob"), lease("a", "ann"))
	t.take(lease("a", "ann"), lease("a", "ann"), lease("a", "ann"))
	t.wantLeases(lease("a", "ann"), lease("b", "cid"))
}

// A renewal may end a lease earlier, too.
func testLeaseShortened(t *leaseTest) {
	t.take(lease("a", "ann"), flow.Lease{Name: "a", Owner: "ann", TTL: brief})
	t.becomesFree(lease("a", "bob"))
	t.wantLeases(lease("a", "bob"))
}

// A lease that its owner releases is free at once, for anybody, and the others stay.
func testLeaseReleased(t *leaseTest) {
	t.take(lease("a", "ann"), lease("b", "ann"))
	t.release("a", "ann")
	t.wantLeases(lease("b", "ann"))
	t.release("a", "ann")
	t.take(lease("a", "bob"))
	t.release("b", "ann")
	t.wantLeases(lease("a", "bob"))
}

// Nobody but the owner ends a lease: not another, and not one who had it before.
func testLeaseReleaseOther(t *leaseTest) {
	t.take(flow.Lease{Name: "a", Owner: "ann", TTL: brief})
	t.becomesFree(lease("a", "bob"))
	for _, owner := range []string{"ann", "cid", "Bob", ""} {
		t.release("a", owner)
	}
	t.release("A", "bob")
	t.wantLeases(lease("a", "bob"))
}

// A lease ends by itself, not early, and alone; then it is in no list, and anybody's.
func testLeaseEnds(t *leaseTest) {
	before := time.Now()
	t.take(flow.Lease{Name: "a", Owner: "ann", TTL: brief}, lease("b", "ann"))
	eventually(t, "it is in no list", func() bool {
		list, err := t.other.Leases(t.Context(), room)
		wantError(t, err, nil)
		return len(list) == 1
	})
	if lasted := time.Since(before); lasted < brief-time.Millisecond {
		t.Errorf("the lease lasted %v, want %v", lasted, brief)
	}
	t.wantLeases(lease("b", "ann"))
	t.take(lease("a", "bob"))
	t.wantLeases(lease("a", "bob"), lease("b", "ann"))
}

// What is told of a lease is the time that is left of it.
func testLeaseTimeLeft(t *leaseTest) {
	t.take(lease("a", "ann"))
	less := lease("a", "ann")
	less.TTL -= brief
	eventually(t, "less is left", func() bool {
		list, err := t.other.Leases(t.Context(), room)
		return err == nil && len(list) == 1 && list[0].TTL <= less.TTL
	})
	t.wantLeases(less)
	t.wantLocked(lease("a", "bob"), less)
}

// Leases are told in the order of their names' bytes.
func testLeaseOrder(t *leaseTest) {
	var list []flow.Lease
	for _, name := range []string{"b", "~", "a", "10", "9", "B", "ab", "a-", "ü", "_", "Z", "lock:b", "lock:a"} {
		list = append(list, lease(name, "ann"))
	}
	t.take(list...)
	slices.SortFunc(list, func(a, b flow.Lease) int { return strings.Compare(a.Name, b.Name) })
	t.wantLeases(list...)
}

// Names and owners of any bytes are told apart and come back as they were.
func testLeaseNames(t *leaseTest) {
	names := []string{
		"a", "A", "a ", " a", "a:b", "a|b", "a,b", "a\tb", "a\nb", "a\x00b", "a\x00", "\xff\xfe", "{a}", "*", "[a]",
		"ünïcode😀", "1", "01", "1.0", "1:a", "~snapshot", "~group.g", "lock:a", strings.Repeat("n", 160),
	}
	slices.Sort(names)
	var list []flow.Lease
	for i, name := range names {
		list = append(list, lease(name, names[len(names)-1-i]))
	}
	t.take(list...)
	t.wantLeases(list...)
	for _, l := range list {
		t.wantLocked(lease(l.Name, l.Owner+" "), l)
	}
	for i, l := range list {
		t.release(l.Name, l.Owner)
		t.wantLeases(list[i+1:]...)
	}
}

// Rooms do not notice each other's leases (I6).
func testLeaseRooms(t *leaseTest) {
	t.take(lease("a", "ann"))
	for i, name := range []string{"roo", "room2", "Room", "room:1", "room:a"} {
		l := lease("a", fmt.Sprint("owner", i))
		if _, err := t.one.Acquire(t.Context(), name, flow.Position{}, l, false); err != nil {
			t.Errorf("Acquire in %q: %v", name, err)
		}
		if err := t.other.Release(t.Context(), name, "a", "ann"); err != nil {
			t.Errorf("Release in %q: %v", name, err)
		}
	}
	t.wantLeases(lease("a", "ann"))
}

// Of many that ask at once, on several instances, exactly one gets the lease, and the others learn that
// it was this one.
func testLeaseOneWinner(t *leaseTest) {
	const owners = 16
	for range 10 {
		var told [owners]flow.Lease
		var won [owners]bool
		var running sync.WaitGroup
		for i := range owners {
			running.Go(func() {
				l := lease("a", fmt.Sprint("owner", i))
				var err error
				told[i], err = t.handles()[i%2].Acquire(t.Context(), room, flow.Position{}, l, i%4 == 0)
				if won[i] = err == nil; !won[i] {
					wantCode(t, err, flow.CodeLocked)
				}
			})
		}
		running.Wait()
		winner := slices.Index(won[:], true)
		if winner < 0 || slices.Contains(won[winner+1:], true) {
			t.Fatalf("winners are %v, want one", won)
		}
		for _, l := range told {
			t.wantLease(l, lease("a", fmt.Sprint("owner", winner)))
		}
		t.release("a", fmt.Sprint("owner", winner))
	}
	t.wantLeases()
}

// Leases exclude: what is done by whoever has one is never done by two at once, however it is passed on.
func testLeaseAtOnce(t *leaseTest) {
	var inside sync.Mutex
	var running sync.WaitGroup
	for i := range 6 {
		owner := fmt.Sprint("owner", i)
		running.Go(func() {
			for taken := 0; taken < 5 && t.Context().Err() == nil; {
				_, err := t.handles()[i%2].Acquire(t.Context(), room, flow.Position{}, lease("a", owner), false)
				if flow.ErrorCode(err) == flow.CodeLocked {
					continue
				}
				if err != nil || !inside.TryLock() {
					t.Errorf("%s got the lease while another had it, %v", owner, err)
					return
				}
				t.wantLeases(lease("a", owner))
				inside.Unlock()
				taken++
				if err := t.handles()[taken%2].Release(t.Context(), room, "a", owner); err != nil {
					t.Errorf("Release: %v", err)
					return
				}
			}
		})
	}
	running.Wait()
	t.wantLeases()
}
