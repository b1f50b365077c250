package flow_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// An instance that was started a moment ago restores a log too: it has read what was there. I1
func TestRecover_Recall(t *testing.T) {
	for _, count := range []int{1, 50, 1500} {
		synctest.Test(t, func(t *testing.T) {
			l := newLossy(t, flow.Config{})
			a := dial(t, l.Hub, "ann")
			a.join("r")
			write(a, 1, count)
			a.drop()
			if err := l.Close(t.Context()); err != nil {
				t.Error(err)
			}
			before := l.operations(t)

			h, err := flow.New(memory(flow.Config{Log: l.log, PositionCheck: 300 * time.Millisecond}))
			if err != nil {
				t.Fatal(err)
			}
			b := dial(t, h, "bob")
			b.join("r")
			advance(time.Second)
			l.log.swap(memx.NewLog(memx.LogConfig{}))
			advance(3 * time.Second)
			after := l.operations(t)
			if want := min(count, 1024); len(after) != want || after[want-1].Hash != before[count-1].Hash {
				t.Errorf("the log has %d operations, want %d", len(after), want)
			}
			if b.count("rewind") > 0 {
				t.Error("rewound")
			}
			b.drop()
			if err := h.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A room that is deleted while an operation of it is in doubt leaves nothing behind: nothing waits, and no
// room is in trouble. I9, I14
func TestRecover_DeletedInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
		h, err := flow.New(memory(flow.Config{Log: log}))
		if err != nil {
			t.Fatal(err)
		}
		a, b := dial(t, h, "ann"), dial(t, h, "bob")
		a.join("r")
		b.join("r")
		log.set(false, true)
		a.op("r", 1, 1)
		a.expect("queued")
		if err := log.Delete(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		log.set(false, false)
		advance(5 * time.Second)
		for _, who := range []*client{a, b} {
			if got := who.expect("left"); got.str("reason") != "deleted" {
				t.Errorf("left is %v", got)
			}
		}
		if s := h.Stats(); s.Journal != 0 || h.State() != flow.Live {
			t.Errorf("%d operations wait, the state is %s", s.Journal, h.State())
		}
		a.drop()
		b.drop()
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
