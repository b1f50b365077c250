package flow_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// distant is a store to which every write takes a while, and the next one long. One whose caller gives up is
// not done.
type distant struct {
	flow.SessionStore

	long atomic.Bool
}

func (d *distant) Put(ctx context.Context, s flow.Session) error {
	pause := time.Millisecond
	if d.long.Swap(false) {
		pause = 50 * time.Millisecond
	}
	select {
	case <-time.After(pause):
		return d.SessionStore.Put(ctx, s)
	case <-ctx.Done():
		return flow.Unavailable(ctx.Err())
	}
}

// A hub that is closed has every session left in the store to be resumed, whoever was writing it, and however far
// away the store is: it does not wait for one after the other. I5
func TestHub_CloseLeavesSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members = 400
		store := memx.NewSessionStore(memx.SessionConfig{})
		far := &distant{SessionStore: store}
		h, err := flow.New(memory(flow.Config{Sessions: far}))
		if err != nil {
			t.Fatal(err)
		}
		for i := range members {
			c := dial(t, h, fmt.Sprint("u", i))
			c.join(fmt.Sprint("r", i/10))
			c.drop()
		}
		far.long.Store(true)
		began := time.Now()
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > members/4*time.Millisecond {
			t.Errorf("to close took %v", took)
		}
		left := 0
		for i := range members / 10 {
			all := flow.SessionQuery{Room: fmt.Sprint("r", i), Limit: 100, Detached: true}
			list, err := store.List(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range list {
				if s.Instance == "" {
					left++
				}
			}
		}
		if left != members {
			t.Errorf("%d sessions of %d are left to be resumed", left, members)
		}
	})
}
