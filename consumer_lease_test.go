package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
)

// theLease returns who has the lease of the group "g", "" for nobody.
func theLease(t *testing.T, log flow.Leases, room string) string {
	t.Helper()
	leases, err := log.Leases(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases {
		if l.Name == "~group.g" {
			return l.Owner
		}
	}
	return ""
}

// submitTogether writes operations that one stretch has all of.
func submitTogether(t *testing.T, h *flow.Hub, room string, count int) {
	t.Helper()
	data := slices.Repeat([]json.RawMessage{json.RawMessage("1")}, count)
	if _, err := h.Submit(t.Context(), room, flow.User{ID: "ann"}, "", data...); err != nil {
		t.Fatal(err)
	}
}

// A Handle may take long: its lease is renewed meanwhile, and no other instance comes between.
func TestConsumer_Renews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus, l := memx.NewLog(memx.LogConfig{}), memx.NewBus(), newLedger()
		slow := func(name string) flow.Consumer {
			c := l.consumer("g", name)
			write := c.Handle
			c.Handle = func(ctx context.Context, c flow.Committed) error {
				select {
				case <-time.After(50 * time.Second):
					return write(ctx, c)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return c
		}
		one := open(t, flow.Config{Log: log, Bus: bus, Instance: "one", OnCommitted: []flow.Consumer{slow("one")}})
		submit(t, one, "r", 3)
		advance(time.Second)
		two := open(t, flow.Config{Log: log, Bus: bus, Instance: "two", OnCommitted: []flow.Consumer{slow("two")}})
		c := dial(t, two, "bob")
		c.join("r")
		for range 45 {
			advance(time.Second)
			if owner := theLease(t, log, "r"); owner != "one" {
				t.Fatalf("the lease is %q's, want that of the instance at work", owner)
			}
		}
		submit(t, two, "r", 3)
		advance(5 * time.Minute)
		l.wantAll(t, "r", 1, 6)
		c.drop()
		closeHub(t, one)
		closeHub(t, two)
	})
}

// A lease that is lost while Handle is at work ends its context, and the work is another's, who leaves off where
// the group is.
func TestConsumer_LeaseLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, l := memx.NewLog(memx.LogConfig{}), newLedger()
		began, first := make(chan struct{}), true
		var cause error
		c := l.consumer("g", "one")
		write := c.Handle
		c.Handle = func(ctx context.Context, c flow.Committed) error {
			if !first {
				return write(ctx, c)
			}
			first = false
			close(began)
			<-ctx.Done()
			cause = context.Cause(ctx)
			return write(ctx, c) // too late: this does not count
		}
		h := open(t, flow.Config{Log: log, Instance: "one", OnCommitted: []flow.Consumer{c}})
		submitTogether(t, h, "r", 3)
		<-began
		if err := log.Release(t.Context(), "r", "~group.g", "one"); err != nil {
			t.Fatal(err)
		}
		lease := flow.Lease{Name: "~group.g", Owner: "thief", TTL: 30 * time.Second}
		if _, err := log.Acquire(t.Context(), "r", flow.Position{}, lease, false); err != nil {
			t.Fatal(err)
		}
		advance(15 * time.Second)
		if cause == nil || errors.Is(cause, context.Canceled) {
			t.Fatalf("the context ended with %v, want the loss of the lease", cause)
		}
		if at, err := log.Cursor(t.Context(), "g", "r"); err != nil || at.Seq != 0 {
			t.Fatalf("the cursor is at %v, %v: who had no lease moved it", at, err)
		}
		page, err := log.Read(t.Context(), "r", flow.Query{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		// The thief handled the first two.
		to := page.Operations[1].Position()
		if err := log.Advance(t.Context(), "g", "r", to, "~group.g", "thief"); err != nil {
			t.Fatal(err)
		}
		advance(time.Minute)
		if got := fmt.Sprint(l.rooms["r"]); got != "[1 2 3 3]" {
			t.Errorf("handled %s, want the first stretch whole, and then what the other had left", got)
		}
		closeHub(t, h)
	})
}

// deadLog is what an instance has that was killed: nothing it does reaches the others any more.
type deadLog struct {
	*memx.Log
	dead atomic.Bool
}

func (l *deadLog) Acquire(
	ctx context.Context, room string, fence flow.Position, lease flow.Lease, held bool,
) (flow.Lease, error) {
	if l.dead.Load() {
		return flow.Lease{}, flow.Unavailable(errors.New("killed"))
	}
	return l.Log.Acquire(ctx, room, fence, lease, held)
}

func (l *deadLog) Release(ctx context.Context, room, name, owner string) error {
	if l.dead.Load() {
		return flow.Unavailable(errors.New("killed"))
	}
	return l.Log.Release(ctx, room, name, owner)
}

func (l *deadLog) Advance(ctx context.Context, group, room string, to flow.Position, lease, owner string) error {
	if l.dead.Load() {
		return flow.Unavailable(errors.New("killed"))
	}
	return l.Log.Advance(ctx, group, room, to, lease, owner)
}

// An instance that is killed in the middle of a stretch leaves its lease behind. When that has ended, another one
// goes on, with the stretch that was not noted as done: nothing is missed, and the order stays.
func TestConsumer_Killed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := memx.NewLog(memx.LogConfig{}), memx.NewBus()
		r, killed := &replica{}, &deadLog{Log: log}
		limit := 450 // operations that are written before the instance dies
		dies := flow.Consumer{Group: "g", Handle: func(ctx context.Context, c flow.Committed) error {
			if limit -= len(c.Operations); limit < 0 {
				killed.dead.Store(true)
			}
			return r.handle(ctx, c)
		}}
		one := open(t, flow.Config{Log: killed, Bus: bus, Instance: "one", OnCommitted: []flow.Consumer{dies}})
		for range 10 {
			submitTogether(t, one, "r", 100)
		}
		advance(time.Second)
		if !killed.dead.Load() {
			t.Fatal("it was not killed in the middle")
		}
		closeHub(t, one)
		if owner := theLease(t, log, "r"); owner != "one" {
			t.Fatalf("the lease is %q's, want it left behind", owner)
		}
		two := open(t, flow.Config{
			Log: log, Bus: bus, Instance: "two", OnCommitted: []flow.Consumer{{Group: "g", Handle: r.handle}},
		})
		advance(30 * time.Second)
		if !r.equals(log, "r") || len(r.ops) != 1000 {
			t.Errorf("the table has %d rows, and is not the log", len(r.ops))
		}
		if r.again == 0 || r.again > 200 || r.rewound > 0 {
			t.Errorf("%d operations came again, rewound %d times, want one stretch again", r.again, r.rewound)
		}
		closeHub(t, two)
	})
}

// Close waits for a Handle no longer than the drain, also when it does not heed its context.
func TestConsumer_CloseIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, end := make(chan struct{}), make(chan struct{})
		h := open(t, flow.Config{Drain: 3 * time.Second, OnCommitted: []flow.Consumer{{
			Group: "g", Handle: func(context.Context, flow.Committed) error {
				close(began)
				<-end
				return nil
			},
		}}})
		submit(t, h, "r", 1)
		<-began
		start := time.Now()
		closeHub(t, h)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("Close took %v, want the drain at most", took)
		}
		close(end)
		synctest.Wait()
	})
}

// On two instances, in memory and on Redis, every operation is handled by exactly one of them while both live,
// in order in each room. I1
func TestConsumer_Cluster(t *testing.T) {
	const rooms, each = 12, 20
	for _, backend := range []string{"memory", "redis"} {
		t.Run(backend, func(t *testing.T) {
			l, bus, log := newLedger(), memx.NewBus(), memx.NewLog(memx.LogConfig{})
			prefix := redistest.Prefix(t)
			var hubs []*flow.Hub
			for _, name := range []string{"one", "two"} {
				cfg := flow.Config{
					Instance: name, OnCommitted: []flow.Consumer{l.consumer("g", name)}, Bus: bus, Log: log,
				}
				if backend == "redis" {
					cfg = onRedis(t, cfg, prefix)
				}
				hubs = append(hubs, newHub(t, cfg))
			}
			var writers sync.WaitGroup
			for i := range rooms {
				writers.Go(func() {
					for n := range each {
						submit(t, hubs[(i+n)%2], fmt.Sprint("r", i), 1)
					}
				})
			}
			writers.Wait()
			eventually(t, "everything is handled", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return l.by["one"]+l.by["two"] >= rooms*each
			})
			for i := range rooms {
				l.wantAll(t, fmt.Sprint("r", i), 1, each)
			}
		})
	}
}
