package flow_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// slowLog takes its time for every batch.
type slowLog struct {
	flow.Log
	takes time.Duration
}

func (l *slowLog) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	timer := time.NewTimer(l.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return l.Log.Append(ctx, room, b)
	case <-ctx.Done():
		return nil, flow.Unavailable(ctx.Err())
	}
}

// What is on its way to the log when an instance is asked to end is confirmed to its author before the
// bye: one batch that is under way, and one that waits behind it. I10
func TestHub_CloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &slowLog{Log: memx.NewLog(memx.LogConfig{}), takes: 200 * time.Millisecond}
		h, err := flow.New(memory(flow.Config{Log: log, Limits: flow.Limits{OpsPerSecond: 1000}}))
		if err != nil {
			t.Fatal(err)
		}
		a := dial(t, h, "ann")
		a.join("r")
		const count = 40
		for n := 1; n <= count; n++ {
			a.op("r", n, n)
		}
		synctest.Wait()
		var closing sync.WaitGroup
		closing.Go(func() {
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		if code := a.closed(); code != 1012 {
			t.Errorf("close code is %d", code)
		}
		a.expect("bye")
		if got := a.count("op"); got != count {
			t.Errorf("%d operations were confirmed before the bye, want %d", got, count)
		}
		closing.Wait()
		page, err := log.Read(t.Context(), "r", flow.Query{Limit: 100})
		if err != nil || len(page.Operations) != count {
			t.Errorf("the log has %d operations, %v, want %d", len(page.Operations), err, count)
		}
	})
}
