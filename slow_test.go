package flow_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// lateLog takes its time for every append, and never too long for a timeout.
type lateLog struct{ flow.Log }

func (l lateLog) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	select {
	case <-time.After(400 * time.Millisecond):
	case <-ctx.Done():
		return nil, flow.Unavailable(ctx.Err())
	}
	return l.Log.Append(ctx, room, b)
}

// Who waits for a slow log is told so within a second, and gets its place in the end. I8, I14
func TestHub_SlowLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := flow.New(memory(flow.Config{
			Log: lateLog{memx.NewLog(memx.LogConfig{})}, Limits: flow.Limits{OpsPerSecond: 1000},
		}))
		if err != nil {
			t.Fatal(err)
		}
		a := dial(t, h, "ann")
		a.join("r")
		for n := 1; n <= 200; n++ { // seven batches: nearly three seconds
			a.op("r", n, n)
		}
		advance(time.Second)
		q := a.find(func(m msg) bool { return m.str("type") == "queued" && m.num("n") == 200 })
		if q.str("room") != "r" {
			t.Errorf("queued is %v", q)
		}
		advance(3 * time.Second)
		if n := a.count("op"); n != 200 || h.State() != flow.Live {
			t.Errorf("%d operations came, the state is %s", n, h.State())
		}
		a.drop()
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A newcomer is shown all that waits, also when that is more than its queue takes at once.
func TestHub_LongJournal(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log, Limits: flow.Limits{OpsPerSecond: 1000}})
	a := dial(t, h, "ann")
	a.join("r")
	log.set(true, false)
	const count = 200
	for n := 1; n <= count; n++ {
		a.op("r", n, strings.Repeat("x", 8000))
	}
	a.find(func(m msg) bool { return m.str("type") == "queued" && m.num("n") == count })
	b := dial(t, h, "bob")
	b.join("r")
	for n := int64(1); n <= count; n++ {
		if got := b.expect("tentative"); got.num("n") != n {
			t.Fatalf("tentative is %d, want %d", got.num("n"), n)
		}
	}
	a.op("r", count+1, "y")
	if got := b.expect("tentative"); got.num("n") != count+1 {
		t.Fatalf("tentative is %v", got)
	}
	log.set(false, false)
	checkStream(t, b, count+1)
}
