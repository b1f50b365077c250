package middleware

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// feeds collects what a follower was told.
type feeds struct {
	told chan flow.Feed
	stop func()
}

func follow(t testing.TB, l flow.Log, room string) *feeds {
	t.Helper()
	fs := &feeds{told: make(chan flow.Feed, 10_000)}
	fs.stop = l.Follow(room, func(f flow.Feed) { fs.told <- f })
	t.Cleanup(fs.stop)
	return fs
}

// want waits for a feed.
func (fs *feeds) want(t testing.TB, what string, ok func(flow.Feed) bool) {
	t.Helper()
	for {
		select {
		case f := <-fs.told:
			if ok(f) {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("not told: %s", what)
		}
	}
}

func isGap(f flow.Feed) bool { return f.Gap }

// has returns a check for a feed that brings the operation at a seq.
func has(seq uint64) func(flow.Feed) bool {
	return func(f flow.Feed) bool {
		for _, op := range f.Operations {
			if op.Seq == seq {
				return true
			}
		}
		return false
	}
}

func TestStandby_Follow(t *testing.T) {
	// A follower goes along when the room moves: it is told of a gap, and then of what anybody
	// appends on the primary (I4).
	t.Run("goes along", func(t *testing.T) {
		f := newFixture(t)
		told := follow(t, f, "room")
		told.want(t, "that the subscription stands", isGap)
		put(t, f, "room", "a", 1)
		told.want(t, "operation 1", has(1))
		promote(t, f)
		told.want(t, "a gap", isGap)
		put(t, f.primary, "room", "b", 1)
		told.want(t, "operation 2, of somebody else", has(2))
	})

	// One that has stopped is not brought back by a move, and may stop again.
	t.Run("stopped before", func(t *testing.T) {
		f := newFixture(t)
		told := follow(t, f, "room")
		told.want(t, "that the subscription stands", isGap)
		told.stop()
		told.stop()
		promote(t, f)
		put(t, f, "room", "a", 1)
		if n := len(told.told); n != 0 {
			t.Errorf("told %d feeds after stop", n)
		}
	})

	// One that stops after the move is not told of anything on the primary.
	t.Run("stopped after", func(t *testing.T) {
		f := newFixture(t)
		told := follow(t, f, "room")
		promote(t, f)
		told.stop()
		n := len(told.told)
		put(t, f, "room", "a", 1)
		if len(told.told) != n {
			t.Errorf("told %d feeds after stop", len(told.told)-n)
		}
	})
}

// With writers, followers and readers all about while the room moves, every operation is in the
// primary's log once and in its author's order, and every follower ends equal to the log
// (I1, I2, I3).
func TestStandby_PromoteUnderLoad(t *testing.T) {
	const sessions, each = 4, 100
	f := newFixture(t)
	observers := []*observer{observe(t, f, "room"), observe(t, f, "room")}
	for n := range uint64(3 * chunk) {
		put(t, f, "room", "before", n+1)
	}
	var writers sync.WaitGroup
	for s := range sessions {
		writers.Go(func() {
			for n := range uint64(each) {
				b := flow.Batch{Operations: []flow.Operation{operation(fmt.Sprint("s", s), n+1)}}
				if _, err := f.Append(t.Context(), "room", b); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	promote(t, f)
	writers.Wait()

	final := contents(t, f.primary, "room")
	if len(final) != 3*chunk+sessions*each {
		t.Fatalf("the log has %d operations, want %d", len(final), 3*chunk+sessions*each)
	}
	next := map[string]uint64{}
	for _, op := range final {
		next[op.Session]++
		if op.N != next[op.Session] {
			t.Fatalf("operation %d of %s stands where %d belongs", op.N, op.Session, next[op.Session])
		}
	}
	for _, o := range observers {
		o.wantHead(t, final[len(final)-1].Position())
	}
}

// observer follows a room as a hub does: by feeds, and by reading where they leave a gap.
type observer struct {
	told *feeds
	log  flow.Log
	room string
	at   flow.Position
}

func observe(t testing.TB, l flow.Log, room string) *observer {
	t.Helper()
	return &observer{told: follow(t, l, room), log: l, room: room}
}

// wantHead follows until the position, and checks that every step is linked.
func (o *observer) wantHead(t testing.TB, end flow.Position) {
	t.Helper()
	for o.at != end {
		select {
		case feed := <-o.told.told:
			if feed.Gap {
				page, err := o.log.Read(t.Context(), o.room, flow.Query{After: o.at, Limit: 10_000})
				if err != nil {
					t.Fatalf("Read after %v: %v", o.at, err)
				}
				feed = flow.Feed{Operations: page.Operations}
			}
			o.take(t, feed.Operations)
		case <-time.After(10 * time.Second):
			t.Fatalf("at %v, never came to %v", o.at, end)
		}
	}
}

func (o *observer) take(t testing.TB, operations []flow.Operation) {
	t.Helper()
	for _, op := range operations {
		if op.Seq <= o.at.Seq {
			continue
		}
		if !op.Follows(o.at) {
			t.Fatalf("%v does not follow %v", op.Position(), o.at)
		}
		o.at = op.Position()
	}
}
