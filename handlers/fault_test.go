package handlers_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// faultyLog is a log in memory that stands for one on Redis: it can go away, fail while it is there, and
// lose what it has.
type faultyLog struct {
	mu    sync.Mutex
	log   flow.Log
	state flow.State
	since time.Time
	fails bool // to append, whatever the state
}

func newFaultyLog() *faultyLog {
	return &faultyLog{log: memx.NewLog(memx.LogConfig{}), state: flow.Live, since: time.Now()}
}

// use makes the log the hub's.
func (l *faultyLog) use(c *flow.Config) { c.Log = l }

// become changes the state.
func (l *faultyLog) become(state flow.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.since = state, time.Now()
}

// fail makes appending fail, or work again.
func (l *faultyLog) fail(fails bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = fails
}

// replace puts another log in place of what was there, with so many operations in a room.
func (l *faultyLog) replace(t *testing.T, room string, operations int) {
	t.Helper()
	log := memx.NewLog(memx.LogConfig{Settle: -1})
	for n := range operations {
		op := flow.Operation{Session: "elsewhere", N: uint64(n) + 1, User: "eve", Data: []byte(`"other"`)}
		if _, err := log.Append(t.Context(), room, flow.Batch{Operations: []flow.Operation{op}}); err != nil {
			t.Fatal(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = log
}

// reach returns the log, or why it cannot be reached.
func (l *faultyLog) reach() (flow.Log, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != flow.Live {
		return nil, flow.Unavailable(context.DeadlineExceeded)
	}
	return l.log, nil
}

func (l *faultyLog) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	log, err := l.reach()
	l.mu.Lock()
	fails := l.fails
	l.mu.Unlock()
	if fails {
		err = flow.Unavailable(context.DeadlineExceeded)
	}
	if err != nil {
		return nil, err
	}
	return log.Append(ctx, room, b)
}

func (l *faultyLog) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	log, err := l.reach()
	if err != nil {
		return flow.Page{}, err
	}
	return log.Read(ctx, room, q)
}

func (l *faultyLog) Snapshot(ctx context.Context, room string) (flow.Snapshot, error) {
	log, err := l.reach()
	if err != nil {
		return flow.Snapshot{}, err
	}
	return log.Snapshot(ctx, room)
}

func (l *faultyLog) SaveSnapshot(ctx context.Context, room string, s flow.Snapshot) error {
	log, err := l.reach()
	if err != nil {
		return err
	}
	return log.SaveSnapshot(ctx, room, s)
}

func (l *faultyLog) Delete(ctx context.Context, room string) error {
	log, err := l.reach()
	if err != nil {
		return err
	}
	return log.Delete(ctx, room)
}

// Follow implements flow.Log, with the log of now.
func (l *faultyLog) Follow(room string, f func(flow.Feed)) (stop func()) {
	l.mu.Lock()
	log := l.log
	l.mu.Unlock()
	return log.Follow(room, f)
}

func (l *faultyLog) Health(string) flow.Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	health := flow.Health{Backend: "redis", State: l.state, Since: l.since, LastProof: l.since, Address: "redis:6379"}
	if l.state != flow.Live {
		health.Reason = "no answer in time"
	}
	return health
}
