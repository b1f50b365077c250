package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// ledger is what consumers were handed, by room, and by whom.
type ledger struct {
	mu     sync.Mutex
	rooms  map[string][]uint64
	by     map[string]int
	notes  []flow.Committed // those with Missed or Rewound
	refuse func(flow.Committed) error
}

func newLedger() *ledger { return &ledger{rooms: map[string][]uint64{}, by: map[string]int{}} }

// consumer returns a consumer that writes into the ledger.
func (l *ledger) consumer(group, instance string) flow.Consumer {
	return flow.Consumer{Group: group, Handle: func(_ context.Context, c flow.Committed) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.refuse != nil {
			if err := l.refuse(c); err != nil {
				return err
			}
		}
		if c.Missed > 0 || c.Rewound {
			l.notes = append(l.notes, c)
		}
		for _, op := range c.Operations {
			l.rooms[c.Room] = append(l.rooms[c.Room], op.Seq)
		}
		l.by[instance] += len(c.Operations)
		return nil
	}}
}

// wantAll checks that a room's operations came in order, each once, up to a seq.
func (l *ledger) wantAll(t *testing.T, room string, from, to uint64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, seq := range l.rooms[room] {
		if seq != from+uint64(i) {
			t.Fatalf("%s: place %d has seq %d: %v", room, i, seq, l.rooms[room])
		}
	}
	if got := uint64(len(l.rooms[room])); got != to-from+1 {
		t.Fatalf("%s: %d operations were handled, want %d", room, got, to-from+1)
	}
}

func submit(t *testing.T, h *flow.Hub, room string, count int) {
	t.Helper()
	for i := range count {
		if _, err := h.Submit(t.Context(), room, flow.User{ID: "ann"}, "", json.RawMessage(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// open returns a hub that the test closes itself.
func open(t *testing.T, cfg flow.Config) *flow.Hub {
	t.Helper()
	h, err := flow.New(memory(cfg))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func closeHub(t *testing.T, h *flow.Hub) {
	t.Helper()
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// A consumer gets every operation of every room in order and once, also those that fail at first, and goes on
// where the group was after a restart.
func TestConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, l, other := memx.NewLog(memx.LogConfig{}), newLedger(), newLedger()
		failures := 0
		l.refuse = func(c flow.Committed) error {
			if failures++; c.Room == "a" && failures < 3 {
				return errors.New("the database is away")
			}
			if failures == 4 {
				panic("a bug")
			}
			return nil
		}
		consumers := []flow.Consumer{l.consumer("one", "first"), other.consumer("two", "first")}
		cfg := flow.Config{Log: log, OnCommitted: consumers}
		h := open(t, cfg)
		submit(t, h, "a", 250)
		submit(t, h, "b", 3)
		advance(30 * time.Second)
		l.wantAll(t, "a", 1, 250)
		l.wantAll(t, "b", 1, 3)
		other.wantAll(t, "a", 1, 250)
		if s := h.Stats().Consumers[0]; s.Operations != 253 || s.Failures < 2 {
			t.Errorf("stats are %+v", s)
		}
		closeHub(t, h)
		h = open(t, cfg)
		submit(t, h, "a", 2)
		advance(20 * time.Second)
		l.wantAll(t, "a", 1, 252)
		closeHub(t, h)
	})
}

// Two instances of a group share the work: each operation is handled by one of them.
func TestConsumer_Shared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus, l := memx.NewLog(memx.LogConfig{}), memx.NewBus(), newLedger()
		var hubs []*flow.Hub
		for _, name := range []string{"one", "two"} {
			hubs = append(hubs, open(t, flow.Config{
				Log: log, Bus: bus, Instance: name, OnCommitted: []flow.Consumer{l.consumer("g", name)},
			}))
		}
		for i := range 50 {
			submit(t, hubs[i%2], fmt.Sprint("r", i), 3)
			submit(t, hubs[(i+1)%2], fmt.Sprint("r", i), 3)
		}
		advance(2 * time.Minute)
		for i := range 50 {
			l.wantAll(t, fmt.Sprint("r", i), 1, 6)
		}
		if l.by["one"] == 0 || l.by["two"] == 0 {
			t.Errorf("the work was not shared: %v", l.by)
		}
		for _, h := range hubs {
			closeHub(t, h)
		}
	})
}

// What an instance wrote that died with the lease is handled after a restart, although nobody opens the room
// again; the mark then goes.
func TestConsumer_Orphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, l := memx.NewLog(memx.LogConfig{}), newLedger()
		dead := open(t, flow.Config{Log: log, Instance: "dead", OnCommitted: []flow.Consumer{{
			Group: "g", Handle: func(context.Context, flow.Committed) error { return errors.New("never") },
		}}})
		submit(t, dead, "left", 5)
		closeHub(t, dead)
		lease := flow.Lease{Name: "~group.g", Owner: "dead", TTL: 15 * time.Second} // as if it had been killed
		if _, err := log.Acquire(t.Context(), "left", flow.Position{}, lease, false); err != nil {
			t.Fatal(err)
		}
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{l.consumer("g", "next")}})
		advance(time.Minute)
		l.wantAll(t, "left", 1, 5)
		advance(15 * time.Minute)
		marks, err := log.Marked(t.Context(), flow.Mark{}, 10)
		if err != nil || len(marks) != 0 {
			t.Errorf("marks %v, %v, want none", marks, err)
		}
		closeHub(t, h)
	})
}

// A group that comes too late is told how many operations it missed.
func TestConsumer_Missed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, l := memx.NewLog(memx.LogConfig{OperationLimit: 10}), newLedger()
		first := open(t, flow.Config{Log: log})
		submit(t, first, "r", 30)
		closeHub(t, first)
		page, err := log.Read(t.Context(), "r", flow.Query{Unchecked: true})
		if flow.ErrorCode(err) != flow.CodeTrimmed {
			t.Fatal(err)
		}
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{l.consumer("g", "late")}})
		c := dial(t, h, "ann")
		c.join("r")
		advance(5 * time.Second)
		l.wantAll(t, "r", page.Base.Seq+1, 30)
		if len(l.notes) != 1 || l.notes[0].Missed != page.Base.Seq {
			t.Errorf("told %v, want %d missed", l.notes, page.Base.Seq)
		}
		c.drop()
		closeHub(t, h)
	})
}

// Close ends the context of a Handle that is at work, and waits for it; the same operations come again.
func TestConsumer_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, l := memx.NewLog(memx.LogConfig{}), newLedger()
		began, ended := make(chan struct{}), false
		var once sync.Once
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{{
			Group: "g", Handle: func(ctx context.Context, _ flow.Committed) error {
				once.Do(func() { close(began) })
				<-ctx.Done()
				ended = true
				return ctx.Err()
			},
		}}})
		submit(t, h, "r", 1)
		<-began
		closeHub(t, h)
		if !ended {
			t.Error("Close did not wait for the consumer")
		}
		h = open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{l.consumer("g", "again")}})
		advance(20 * time.Second)
		l.wantAll(t, "r", 1, 1)
		closeHub(t, h)
	})
}
