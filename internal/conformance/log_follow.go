package conformance

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiberflow/flow"
)

func followCases() []logCase {
	brief := LogSettings{TombstoneTTL: 50 * time.Millisecond}
	return []logCase{
		{name: "gap first", run: testFollowGapFirst},
		{name: "everything", run: testFollowEverything},
		{name: "only what was appended", run: testFollowOnlyAppended},
		{name: "rooms apart", run: testFollowRoomsApart},
		{name: "many followers", run: testFollowMany},
		{name: "trimmed meanwhile", settings: LogSettings{OperationLimit: 4}, run: testFollowTrimmed},
		{name: "deleted", settings: brief, run: testFollowDeleted},
		{name: "appending from inside", run: testFollowAppends},
		{name: "stop", run: testFollowStop},
		{name: "stop waits", run: testFollowStopWaits},
	}
}

// The first call tells with a gap that the subscription stands, also for a room that is not there yet.
func testFollowGapFirst(t *logTest) {
	l := t.follow(t.one)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.heard) != 0 || l.deleted != 0 {
		t.Errorf("heard %d operations and %d deletions, want nothing but a gap", len(l.heard), l.deleted)
	}
}

// Followers hear what is appended on any instance, their own included, in feeds that each are in order
// and without holes (I2).
func testFollowEverything(t *logTest) {
	sent := t.confirm(ops("before", 1, 3)...)
	here, there := t.follow(t.one), t.follow(t.other)
	for n := uint64(1); n <= 50; n++ {
		sent = append(sent, t.confirm(op("a", 2*n-1), op("b", n), op("a", 2*n))...)
	}
	sent = append(sent, t.confirm(ops("c", 1, 600)...)...)
	here.hears(sent[3:]...)
	there.hears(sent[3:]...)
}

// Refused operations, retries with a key and refused batches are not told.
func testFollowOnlyAppended(t *logTest) {
	l := t.follow(t.other)
	sent := t.confirm(ops("a", 1, 2)...)
	t.append(op("a", 1), op("a", 9), op("b", 2))
	t.appendTo(t.one, keyed("k", "k", "1"))
	t.appendTo(t.one, keyed("k", "l", "1"))
	wantError(t, t.try(flow.Position{Seq: 2, Hash: sent[1].Hash ^ 1}), flow.ErrFork)
	t.confirm(op("a", 3))
	log := t.all()
	l.hears(log...)
	l.mu.Lock()
	defer l.mu.Unlock()
	want(t, "operations heard", len(l.heard), len(log))
}

// A follower hears nothing of other rooms (I6).
func testFollowRoomsApart(t *logTest) {
	l := t.follow(t.one)
	for _, name := range []string{"roo", "room2", "Room", "room:1", "other"} {
		if _, err := t.one.Append(t.Context(), name, flow.Batch{Operations: ops("x", 1, 3)}); err != nil {
			t.Fatalf("Append to %q: %v", name, err)
		}
	}
	sent := t.confirm(op("a", 1))
	l.hears(sent...)
	l.mu.Lock()
	defer l.mu.Unlock()
	want(t, "operations heard", len(l.heard), 1)
}

// Each of many followers of a room hears everything, and one that stops takes nothing from the others.
func testFollowMany(t *logTest) {
	var all []*listener
	for i := range 10 {
		all = append(all, t.follow([]flow.Log{t.one, t.other}[i%2]))
	}
	sent := t.confirm(ops("a", 1, 5)...)
	for _, l := range all {
		l.hears(sent...)
	}
	for _, l := range all[:9] {
		l.stop()
	}
	sent = append(sent, t.confirm(ops("a", 6, 10)...)...)
	all[9].hears(sent...)
	t.follow(t.one).hears(sent...)
}

// A follower that has not yet taken what is trimmed already is told of it, or of a gap.
func testFollowTrimmed(t *logTest) {
	l := t.follow(t.one)
	var sent []flow.Operation
	for n := uint64(1); n <= 200; n += 20 {
		sent = append(sent, t.confirm(ops("a", n, n+19)...)...)
	}
	l.hears(sent[196:]...)
}

// Followers hear of a deletion, and go on to hear what is appended to the new room of that id.
func testFollowDeleted(t *logTest) {
	here, there := t.follow(t.one), t.follow(t.other)
	here.hears(t.confirm(ops("a", 1, 3)...)...)
	t.delete()
	for _, l := range []*listener{here, there} {
		eventually(t, "the deletion is told", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.deleted > 0
		})
	}
	eventually(t, "the tombstone ends", func() bool {
		_, err := t.one.Append(t.Context(), room, flow.Batch{})
		return err == nil
	})
	sent := t.confirm(ops("a", 1, 2)...)
	here.hears(sent...)
	there.hears(sent...)
}

// A follower may use the log from inside the call, though it should not: nothing deadlocks.
func testFollowAppends(t *logTest) {
	var mu sync.Mutex
	answered := false
	stop := t.one.Follow(room, func(feed flow.Feed) {
		for _, o := range feed.Operations {
			if o.Session != "a" {
				continue
			}
			if _, err := t.one.Append(t.Context(), room, flow.Batch{Operations: ops("echo", 1, 1)}); err != nil {
				t.Errorf("Append from inside: %v", err)
			}
			mu.Lock()
			answered = true
			mu.Unlock()
		}
	})
	defer stop()
	n := uint64(0)
	eventually(t, "the follower appends", func() bool {
		n++
		t.confirm(op("a", n)) // again and again: those before the subscription stands are not told
		mu.Lock()
		defer mu.Unlock()
		return answered
	})
	want(t, "last of the echo", t.facts("echo").Last["echo"], 1)
}

// After stop has returned, the follower is not called again, even with appends under way.
func testFollowStop(t *logTest) {
	witness := t.follow(t.one)
	var sent []flow.Operation
	for range 20 {
		var stopped, late atomic.Bool
		stop := t.one.Follow(room, func(flow.Feed) {
			if stopped.Load() {
				late.Store(true)
			}
		})
		var appending sync.WaitGroup
		list := ops("a", uint64(len(sent))+1, uint64(len(sent))+10)
		appending.Go(func() {
			for i := range list {
				if _, err := t.other.Append(t.Context(), room, flow.Batch{Operations: list[i : i+1]}); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
		stop()
		stopped.Store(true)
		appending.Wait()
		t.confirm(op("a", list[9].N+1))
		sent = t.all()
		witness.hears(sent...)
		want(t, "called after stop", late.Load(), false)
	}
}

// Stop waits for a call that is under way.
func testFollowStopWaits(t *logTest) {
	wantStopWaits(t, func(f func()) func() { return t.one.Follow(room, func(flow.Feed) { f() }) })
}
