package memx_test

import (
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// heldFollower follows a room and takes nothing until it is let go.
type heldFollower struct {
	entered, leave chan struct{}
	feeds          chan flow.Feed
	stop           func()
}

func followHeld(log flow.Log, room string) *heldFollower {
	h := &heldFollower{
		entered: make(chan struct{}), leave: make(chan struct{}), feeds: make(chan flow.Feed, 1000),
	}
	first := true
	h.stop = log.Follow(room, func(feed flow.Feed) {
		if first {
			first = false
			close(h.entered)
			<-h.leave
			return
		}
		h.feeds <- feed
	})
	<-h.entered
	return h
}

// A follower that is slow holds nobody up, and gets what it missed in a few feeds: nothing is lost (I2),
// and nothing is kept for it but its place (I9).
func TestLog_FollowSlow(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{})
	h := followHeld(log, "room")
	for n := range uint64(1000) {
		b := flow.Batch{Operations: []flow.Operation{{Session: "a", N: n + 1, Data: []byte(`1`)}}}
		if _, err := log.Append(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
	}
	close(h.leave)
	var at flow.Position
	feeds := 0
	for at.Seq < 1000 {
		feed := <-h.feeds
		feeds++
		if feed.Gap || feed.Deleted {
			t.Fatalf("heard %+v, want operations", feed)
		}
		for _, o := range feed.Operations {
			if !o.Follows(at) {
				t.Fatalf("%v does not follow %v", o.Position(), at)
			}
			at = o.Position()
		}
	}
	h.stop()
	if feeds > 4 {
		t.Errorf("heard 1,000 operations in %d feeds, want 4", feeds)
	}
}

// A follower that is slower than the log is trimmed is told a gap, and goes on at the head.
func TestLog_FollowTrimmed(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{OperationLimit: 4})
	h := followHeld(log, "room")
	add := func(n uint64) {
		b := flow.Batch{Operations: []flow.Operation{{Session: "a", N: n, Data: []byte(`1`)}}}
		if _, err := log.Append(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(20) {
		add(n + 1)
	}
	close(h.leave)
	if feed := <-h.feeds; !feed.Gap || len(feed.Operations) != 0 {
		t.Errorf("heard %+v, want a gap", feed)
	}
	add(21)
	if feed := <-h.feeds; len(feed.Operations) != 1 || feed.Operations[0].Seq != 21 {
		t.Errorf("heard %+v, want operation 21", feed)
	}
	h.stop()
}

// A follower that is slow is told a gap of what was restored and nothing of it one by one, after the
// deletion of the room that was there before.
func TestLog_FollowRestored(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{TombstoneTTL: 1, Settle: 1})
	h := followHeld(log, "room")
	add := func(b flow.Batch) {
		t.Helper()
		if _, err := log.Append(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
	}
	wantFeed := func(gap, deleted bool, operations int) {
		t.Helper()
		feed := <-h.feeds
		if feed.Gap != gap || feed.Deleted != deleted || len(feed.Operations) != operations {
			t.Errorf("heard %+v, want gap %v, deleted %v, %d operations", feed, gap, deleted, operations)
		}
	}
	add(flow.Batch{Operations: []flow.Operation{{Session: "a", N: 1, Data: []byte(`1`)}}})
	if err := log.Delete(t.Context(), "room"); err != nil {
		t.Fatal(err)
	}
	lost := flow.Operation{Session: "a", N: 7, Data: []byte(`7`)}
	fence := flow.Position{Seq: 6, Hash: 6}
	at := fence.Next(lost.Session, lost.N, flow.DigestOf(lost.Data))
	lost.Seq, lost.Hash = at.Seq, at.Hash
	add(flow.Batch{Fence: fence, Restore: true, Operations: []flow.Operation{lost}})
	close(h.leave)
	wantFeed(false, true, 0)
	wantFeed(true, false, 0)
	add(flow.Batch{Operations: []flow.Operation{{Session: "a", N: 8, Data: []byte(`8`)}}})
	wantFeed(false, false, 1)
	h.stop()
}

// A follower that stops while much is waiting for it gets nothing more of it.
func TestLog_FollowStop(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{})
	h := followHeld(log, "room")
	b := flow.Batch{Operations: []flow.Operation{{Session: "a", N: 1, Data: []byte(`1`)}}}
	if _, err := log.Append(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { // ends when stop does, and is waited for below
		h.stop()
		close(stopped)
	}()
	close(h.leave)
	<-stopped
	heard := len(h.feeds)
	if _, err := log.Append(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	if len(h.feeds) != heard {
		t.Error("a feed came after stop")
	}
}
