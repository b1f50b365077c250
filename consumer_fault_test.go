package flow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// lossyOrdering is a whole subsystem that can lose its memory: log, leases and cursors at once.
type lossyOrdering struct{ swapLog }

func newLossyOrdering() *lossyOrdering {
	return &lossyOrdering{swapLog{Log: memx.NewLog(memx.LogConfig{})}}
}

func (l *lossyOrdering) all() *memx.Log {
	log, _ := l.now().(*memx.Log)
	return log
}

// Acquire implements [flow.Leases].
func (l *lossyOrdering) Acquire(
	ctx context.Context, room string, fence flow.Position, lease flow.Lease, held bool,
) (flow.Lease, error) {
	return l.all().Acquire(ctx, room, fence, lease, held)
}

// Release implements [flow.Leases].
func (l *lossyOrdering) Release(ctx context.Context, room, name, owner string) error {
	return l.all().Release(ctx, room, name, owner)
}

// Leases implements [flow.Leases].
func (l *lossyOrdering) Leases(ctx context.Context, room string) ([]flow.Lease, error) {
	return l.all().Leases(ctx, room)
}

// Cursor implements [flow.Cursors].
func (l *lossyOrdering) Cursor(ctx context.Context, group, room string) (flow.Position, error) {
	return l.all().Cursor(ctx, group, room)
}

// Advance implements [flow.Cursors].
func (l *lossyOrdering) Advance(
	ctx context.Context, group, room string, to flow.Position, lease, owner string,
) error {
	return l.all().Advance(ctx, group, room, to, lease, owner)
}

// Mark implements [flow.Cursors].
func (l *lossyOrdering) Mark(ctx context.Context, instance string, rooms ...string) error {
	return l.all().Mark(ctx, instance, rooms...)
}

// Unmark implements [flow.Cursors].
func (l *lossyOrdering) Unmark(ctx context.Context, marks ...flow.Mark) error {
	return l.all().Unmark(ctx, marks...)
}

// Marked implements [flow.Cursors].
func (l *lossyOrdering) Marked(ctx context.Context, after flow.Mark, limit int) ([]flow.Mark, error) {
	return l.all().Marked(ctx, after, limit)
}

// replica is an application's table of one room. It does what a consumer must: what came already is skipped,
// and what is rewound is taken back.
type replica struct {
	mu      sync.Mutex
	ops     []flow.Operation
	rewound int
	again   int // operations that came, and were there already
}

func (r *replica) handle(_ context.Context, c flow.Committed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Rewound {
		r.rewound++
		r.ops = r.ops[:min(int(c.After.Seq), len(r.ops))]
	}
	for _, op := range c.Operations {
		switch {
		case op.Seq <= uint64(len(r.ops)):
			r.again++
		case op.Seq == uint64(len(r.ops))+1:
			r.ops = append(r.ops, op)
		default:
			return fmt.Errorf("seq %d comes after %d", op.Seq, len(r.ops))
		}
	}
	return nil
}

// equals reports whether the table has the log of the room.
func (r *replica) equals(log flow.Log, room string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	page, err := log.Read(context.Background(), room, flow.Query{Limit: 100_000})
	return err == nil && len(page.Operations) > 0 && slices.EqualFunc(r.ops, page.Operations,
		func(a, b flow.Operation) bool {
			return a.Position() == b.Position() && string(a.Data) == string(b.Data)
		})
}

// A log that lost everything is written again by the instances, but for the cursors. Whoever holds the lease goes
// on where it was. After a restart nobody knows how far the group was: all comes again, and says so. Nothing is
// missed, and the room is marked again.
func TestConsumer_Emptied(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testEmptied(t, restart) })
		})
	}
}

func testEmptied(t *testing.T, restart bool) {
	t.Helper()
	log, r := newLossyOrdering(), &replica{}
	cfg := flow.Config{
		Log: log, PositionCheck: 300 * time.Millisecond, OnCommitted: []flow.Consumer{{Group: "g", Handle: r.handle}},
	}
	h := open(t, cfg)
	c := dial(t, h, "ann")
	c.join("r")
	write(c, 1, 30)
	advance(time.Second)
	log.swap(memx.NewLog(memx.LogConfig{}))
	advance(4 * time.Second)
	marks, err := log.Marked(t.Context(), flow.Mark{}, 10)
	if err != nil || len(marks) != 1 {
		t.Errorf("the open room has marks %v, %v, want one", marks, err)
	}
	c.drop()
	if restart {
		closeHub(t, h)
		h = open(t, cfg)
	}
	submit(t, h, "r", 5)
	advance(20 * time.Second)
	if !r.equals(log, "r") || len(r.ops) != 35 {
		t.Errorf("the table has %d rows, and is not the log", len(r.ops))
	}
	if told := r.rewound > 0; told != restart || r.again > 0 {
		t.Errorf("rewound %d times, %d operations came again untold", r.rewound, r.again)
	}
	closeHub(t, h)
}

// copyLog returns a log with the operations of another up to a seq, and the lease of the group "g".
func copyLog(t *testing.T, from flow.Log, room string, to int, owner string) *memx.Log {
	t.Helper()
	page, err := from.Read(t.Context(), room, flow.Query{Limit: to})
	if err != nil || len(page.Operations) != to {
		t.Fatalf("%d operations, %v", len(page.Operations), err)
	}
	log := memx.NewLog(memx.LogConfig{})
	if _, err := log.Append(t.Context(), room, flow.Batch{Operations: page.Operations}); err != nil {
		t.Fatal(err)
	}
	lease := flow.Lease{Name: "~group.g", Owner: owner, TTL: 15 * time.Second}
	if _, err := log.Acquire(t.Context(), room, flow.Position{}, lease, false); err != nil {
		t.Fatal(err)
	}
	return log
}

// When the log has another history in place of what came before, and lost that for good, the group is told to
// take it back, and gets what is there now.
func TestConsumer_Rewound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := newLossyOrdering(), &replica{}
		h := open(t, flow.Config{
			Log: log, Instance: "one", OnCommitted: []flow.Consumer{{Group: "g", Handle: r.handle}},
		})
		submitTogether(t, h, "r", 10)
		advance(time.Second)
		fork := copyLog(t, log, "r", 6, "one")
		other := flow.Operation{Session: "elsewhere", N: 1, User: "bob", Data: []byte(`"other"`)}
		if _, err := fork.Append(t.Context(), "r", flow.Batch{Operations: []flow.Operation{other}}); err != nil {
			t.Fatal(err)
		}
		log.swap(fork)
		submit(t, h, "r", 1)
		advance(time.Minute)
		if !r.equals(log, "r") || r.rewound != 1 {
			t.Errorf("the table has %d rows, rewound %d times, want it to be the log, and once", len(r.ops), r.rewound)
		}
		closeHub(t, h)
	})
}

// A log that lacks a tail for a moment, because those who have it are about to write it again, rewinds nobody.
func TestConsumer_Patience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := newLossyOrdering(), &replica{}
		first := open(t, flow.Config{Log: log})
		for range 4 {
			submitTogether(t, first, "r", 100)
		}
		closeHub(t, first)
		whole := copyLog(t, log, "r", 400, "one")
		short := copyLog(t, log, "r", 100, "one")
		log.swap(whole)
		if err := log.Mark(t.Context(), "one", "r"); err != nil {
			t.Fatal(err)
		}
		losing := func(ctx context.Context, c flow.Committed) error {
			if c.After.Seq == 0 {
				log.swap(short)
			}
			return r.handle(ctx, c)
		}
		h := open(t, flow.Config{
			Log: log, Instance: "one", OnCommitted: []flow.Consumer{{Group: "g", Handle: losing}},
		})
		advance(2 * time.Second)
		if len(r.ops) != 200 {
			t.Fatalf("the table has %d rows, want those of one stretch", len(r.ops))
		}
		log.swap(whole)
		advance(30 * time.Second)
		if !r.equals(log, "r") || r.rewound > 0 || r.again > 0 {
			t.Errorf("the table has %d rows, rewound %d times, %d came again", len(r.ops), r.rewound, r.again)
		}
		closeHub(t, h)
	})
}

// A room that was deleted is over for its consumers, also when they fail at it; what the id gets later is a new
// room, from its beginning.
func TestConsumer_Deleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, fails := memx.NewLog(memx.LogConfig{}), true
		var calls int
		var got []flow.Committed
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{{
			Group: "g", Handle: func(_ context.Context, c flow.Committed) error {
				calls++
				if fails {
					return errors.New("not now")
				}
				got = append(got, c)
				return nil
			},
		}}})
		submit(t, h, "r", 3)
		advance(time.Second)
		if err := h.DeleteRoom(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		advance(2 * time.Minute)
		before := calls
		fails = false
		advance(9 * time.Minute) // until the tombstone has ended
		if calls != before || before == 0 {
			t.Errorf("the consumer was called %d times, then %d", before, calls)
		}
		submit(t, h, "r", 2)
		advance(time.Second)
		if len(got) == 0 || got[0].After != (flow.Position{}) || got[0].Operations[0].Seq != 1 || got[0].Missed != 0 {
			t.Errorf("the new room came as %+v", got)
		}
		closeHub(t, h)
	})
}

// A thousand rooms, one of which always fails: eight at a time are worked at, nobody waits for the one, and in
// the end no lease is left.
func TestConsumer_ManyRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rooms = 1000
		log, l := memx.NewLog(memx.LogConfig{}), newLedger()
		var now, most atomic.Int64
		c := l.consumer("g", "one")
		write := c.Handle
		c.Handle = func(ctx context.Context, c flow.Committed) error {
			for n, top := now.Add(1), most.Load(); n > top && !most.CompareAndSwap(top, n); top = most.Load() {
			}
			defer now.Add(-1)
			select {
			case <-time.After(10 * time.Millisecond): // a database's time
			case <-ctx.Done():
				return ctx.Err()
			}
			if c.Room == "r7" {
				return errors.New("this one never works")
			}
			return write(ctx, c)
		}
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{c}})
		for i := range rooms {
			submit(t, h, fmt.Sprint("r", i), 2)
		}
		advance(10 * time.Second)
		for i := range rooms {
			if i != 7 {
				l.wantAll(t, fmt.Sprint("r", i), 1, 2)
			}
		}
		if got := most.Load(); got < 2 || got > 8 {
			t.Errorf("%d rooms were worked at side by side, want 2 to 8", got)
		}
		advance(4 * time.Second) // ten seconds after the last operation, and before they would end by themselves
		for i := range rooms {
			leases, err := log.Leases(t.Context(), fmt.Sprint("r", i))
			if err != nil || i != 7 && len(leases) > 0 {
				t.Fatalf("r%d has leases %v, %v", i, leases, err)
			}
		}
		closeHub(t, h)
	})
}
