package flow_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// markingOrdering refuses marks for a while, and finds out whether a room is written to without one.
type markingOrdering struct {
	*lossyOrdering

	t       *testing.T
	refuses atomic.Bool
}

// Mark implements [flow.Cursors].
func (l *markingOrdering) Mark(ctx context.Context, instance string, rooms ...string) error {
	if l.refuses.Load() {
		return flow.Errorf(flow.CodeUnavailable, "marks cannot be set")
	}
	return l.lossyOrdering.Mark(ctx, instance, rooms...)
}

// Append implements [flow.Log].
func (l *markingOrdering) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	if marks, err := l.Marked(ctx, flow.Mark{}, 10); err != nil || len(marks) != 1 || marks[0].Room != room {
		l.t.Errorf("the room is written to while the marks are %v, %v", marks, err)
	}
	return l.lossyOrdering.Append(ctx, room, b)
}

// Nothing is written to a room that cannot be marked: its operations wait. So none is missed when the instance is
// killed right after the first of them.
func TestConsumer_MarkedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := &markingOrdering{lossyOrdering: newLossyOrdering(), t: t}, &replica{}
		log.refuses.Store(true)
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{{Group: "g", Handle: r.handle}}})
		c := dial(t, h, "ann")
		c.join("r")
		c.op("r", 1, "x")
		advance(3 * time.Second)
		if got := c.count("op"); got != 0 {
			t.Errorf("%d operations are confirmed in a room that cannot be marked", got)
		}
		log.refuses.Store(false)
		advance(5 * time.Second)
		if got := c.count("op"); got != 1 || !r.equals(log, "r") {
			t.Errorf("%d operations are confirmed once it can, and the table is the log: %v", got, r.equals(log, "r"))
		}
		closeHub(t, h)
	})
}

// A room that is open without operations is marked again before its first, because Redis may have been emptied.
func TestConsumer_MarkedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := &markingOrdering{lossyOrdering: newLossyOrdering(), t: t}, &replica{}
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{{Group: "g", Handle: r.handle}}})
		c := dial(t, h, "ann")
		c.join("r")
		advance(time.Second)
		log.swap(memx.NewLog(memx.LogConfig{}))
		c.op("r", 1, "x")
		advance(5 * time.Second)
		if got := c.count("op"); got != 1 || !r.equals(log, "r") {
			t.Errorf("%d operations are confirmed, and the table is the log: %v", got, r.equals(log, "r"))
		}
		closeHub(t, h)
	})
}

// farBus is a bus in memory that says it is one between machines, where instances hear of each other.
type farBus struct{ flow.Bus }

// Health implements [flow.Bus].
func (b farBus) Health() flow.Health {
	health := b.Bus.Health()
	health.Backend = "redis"
	return health
}

// wantMarks checks of which instances there are marks.
func wantMarks(t *testing.T, cursors flow.Cursors, instances ...string) {
	t.Helper()
	marks, err := cursors.Marked(t.Context(), flow.Mark{}, 10)
	if err != nil || len(marks) != len(instances) {
		t.Errorf("marks %v, %v, want those of %v", marks, err, instances)
		return
	}
	for i, m := range marks {
		if m.Instance != instances[i] {
			t.Errorf("mark %d is of %s, want %s", i, m.Instance, instances[i])
		}
	}
}

// An instance that starts, and has heard of nobody yet, leaves the others their marks, as they may write at any
// moment. Those of one that is gone it removes.
func TestConsumer_StartBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, l := memx.NewLog(memx.LogConfig{}), newLedger()
		cfg := flow.Config{Log: log, Bus: farBus{memx.NewBus()}, Instance: "one"}
		cfg.OnCommitted = []flow.Consumer{l.consumer("g", "one")}
		one := open(t, cfg)
		c := dial(t, one, "ann")
		c.join("r")
		write(c, 1, 5)
		advance(time.Minute)
		cfg.Instance = "two"
		two := open(t, cfg)
		advance(5 * time.Second)
		wantMarks(t, log, "one")
		c.drop()
		closeHub(t, one)
		advance(15 * time.Minute)
		wantMarks(t, log)
		l.wantAll(t, "r", 1, 5)
		closeHub(t, two)
	})
}

// Whoever does not follow a room does not know what is left there for others, and keeps its mark.
func TestConsumer_MarkOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, l := memx.NewLog(memx.LogConfig{}), newLedger()
		if err := log.Mark(t.Context(), "dead", "r"); err != nil {
			t.Fatal(err)
		}
		all := l.consumer("g", "next")
		all.Rooms = "other-*"
		h := open(t, flow.Config{Log: log, OnCommitted: []flow.Consumer{all}})
		advance(15 * time.Minute)
		wantMarks(t, log, "dead")
		closeHub(t, h)
	})
}
