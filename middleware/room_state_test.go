package middleware_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/mergepatch"
	"github.com/fiberflow/flow/middleware"
)

// What the code says of the state of rooms and of those who follow it reaches the hub, and the hub uses
// it.
func TestOpen_RoomState(t *testing.T) {
	cfg := environment{}.config(t)
	opened, committed := make(chan string, 10), make(chan string, 10)
	cfg.Reductions = []flow.Reduction{{Rooms: "board*", Reducer: mergepatch.Reducer{}}}
	cfg.SnapshotEvery, cfg.SnapshotInterval = 7, 11*time.Minute
	cfg.OnCommitted = []flow.Consumer{{Group: "group", Handle: func(_ context.Context, c flow.Committed) error {
		committed <- string(c.Operations[0].Data)
		return nil
	}}}
	cfg.OnRoomOpen = func(_ context.Context, room string) { opened <- room }
	cfg.OnRoomIdle = func(context.Context, string) {} // half a minute is long for a test
	hub := open(t, cfg)

	got := hub.Config()
	if got.SnapshotEvery != 7 || got.SnapshotInterval != 11*time.Minute {
		t.Errorf("snapshots every %d operations or %v", got.SnapshotEvery, got.SnapshotInterval)
	}
	if reflect.ValueOf(got.OnRoomIdle).Pointer() != reflect.ValueOf(cfg.OnRoomIdle).Pointer() {
		t.Error("OnRoomIdle is not the one of the config")
	}
	const data = `{"a":1}`
	if err := submit(t.Context(), hub, "board-1", data); err != nil {
		t.Fatalf("Submit: %v", err)
	}
	if s, err := hub.RoomState(t.Context(), "board-1"); err != nil || string(s.Data) != data {
		t.Errorf("RoomState = %s, %v, want what was submitted", s.Data, err)
	}
	wantTold(t, "OnRoomOpen", opened, "board-1")
	wantTold(t, "OnCommitted", committed, data)
}

func wantTold(t *testing.T, hook string, told <-chan string, want string) {
	t.Helper()
	select {
	case got := <-told:
		if got != want {
			t.Errorf("%s is told %q, want %q", hook, got, want)
		}
	case <-time.After(time.Minute):
		t.Errorf("%s is not told", hook)
	}
}

// Log, leases and cursors are kept in one place, be it memory or Redis.
func TestOpen_Ordering(t *testing.T) {
	for name, e := range map[string]environment{"memory": {}, "redis": onRedis(t, shared.Server(t).Addr())} {
		t.Run(name, func(t *testing.T) {
			cfg := open(t, e.config(t)).Config()
			if any(cfg.Leases) != any(cfg.Log) || any(cfg.Cursors) != any(cfg.Log) {
				t.Fatalf("log %T, leases %T, cursors %T, want one", cfg.Log, cfg.Leases, cfg.Cursors)
			}
			if got := cfg.Log.Health("").Backend; got != name {
				t.Errorf("the backend is %s, want %s", got, name)
			}
			ann := flow.Lease{Name: "a", Owner: "ann", TTL: time.Minute}
			if _, err := cfg.Leases.Acquire(t.Context(), "room", flow.Position{}, ann, false); err != nil {
				t.Errorf("Acquire: %v", err)
			}
			if _, err := cfg.Cursors.Cursor(t.Context(), "group", "room"); err != nil {
				t.Errorf("Cursor: %v", err)
			}
		})
	}
}

// Without a word from the code a room gets a snapshot before its log has forgotten the half of what it
// keeps, and often enough.
func TestOpen_SnapshotEvery(t *testing.T) {
	for limit, want := range map[string]int{"1": 1, "3": 1, "100": 50, "1000": 500, "10000": 500} {
		settings := load(t, environment{"REDIS_OPERATION_LIMIT": limit, "USE_REDIS_EVENT_ORDERING": "false"})
		hub := open(t, middleware.Config{Settings: &settings})
		if got := hub.Config().SnapshotEvery; got != want {
			t.Errorf("a limit of %s has a snapshot every %d operations, want %d", limit, got, want)
		}
		if got := hub.Config().SnapshotInterval; got != 5*time.Minute {
			t.Errorf("a snapshot every %v, want 5m", got)
		}
	}
}
