package flow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// Clients that come back at once share the reads of their room: a few, however many they are.
func TestHub_ReturnTogether(t *testing.T) { synctest.Test(t, testReturnTogether) }

func testReturnTogether(t *testing.T) {
	log := &counting{Log: memx.NewLog(memx.LogConfig{}), latency: time.Millisecond}
	h := open(t, flow.Config{Log: log, Limits: flow.Limits{Participants: 1000}})
	writeNumbers(t, h, "r", 1, 1000)
	page, err := h.Operations(t.Context(), "r", flow.Query{Unchecked: true, Limit: 1, After: flow.Position{Seq: 99}})
	if err != nil {
		t.Fatal(err)
	}
	clients := make([]*client, 200)
	for i := range clients {
		clients[i] = dial(t, h, fmt.Sprint("u", i))
	}
	log.reads.Store(0)
	var joins sync.WaitGroup
	for _, c := range clients {
		joins.Go(func() {
			c.send(msg{"type": "join", "id": "j", "room": "r", "position": page.Operations[0].Position().String()})
		})
	}
	joins.Wait()
	advance(100 * time.Millisecond)
	reads := log.reads.Load()
	for _, c := range clients {
		if got := c.count("op"); got != 900 {
			t.Fatalf("%d operations came, want 900", got)
		}
		c.drop()
	}
	if reads > 12 {
		t.Errorf("%d reads for 900 operations of 200 clients, want a few", reads)
	}
	closeHub(t, h)
}

// A newcomer gets the state in one step, however long the history is; one who comes back from before it is told
// so. While operations are left out for nobody, what everybody has in the end is the same.
func TestHub_LateJoiner(t *testing.T) {
	onCluster(t, flow.Config{Reductions: lists(), SnapshotEvery: 100}, func(t *testing.T, one, two *flow.Hub) {
		early := dial(t, one, "early")
		first := early.join("r").str("position")
		writeNumbers(t, one, "r", 1, 350)
		eventually(t, "there is a snapshot", func() bool {
			s, err := one.Snapshot(t.Context(), "r")
			return err == nil && s.Position.Seq >= 300
		})
		late := dial(t, two, "late")
		j := late.join("r")
		s, _ := j["snapshot"].(map[string]any)
		data, _ := s["data"].([]any)
		if j["resumed"] != false || j["reason"] != nil || s["position"] != j["position"] || len(data) < 300 {
			t.Fatalf("a newcomer gets %v", j)
		}
		for i := len(data) + 1; i <= 350; i++ {
			if got := late.expect("op"); got.num("seq") != int64(i) || got.num("data") != int64(i) {
				t.Fatalf("operation %d is %v", i, got)
			}
		}
		back := dial(t, two, "back")
		if j := back.join("r", msg{"position": first}); j["resumed"] != true {
			t.Errorf("one who comes back to a log that is whole gets %v", j)
		}
	})
}

// Whatever is written, trimmed, snapshot, closed and opened again: snapshot and tail give what a replay of
// everything gives.
func TestHub_SnapshotAndTail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(5, 60).Draw(rt, "operations kept")
		log := memx.NewLog(memx.LogConfig{OperationLimit: limit})
		cfg := flow.Config{
			Log: log, Reductions: lists(), SnapshotEvery: rapid.IntRange(1, limit).Draw(rt, "snapshot every"),
		}
		h, written := open(t, cfg), 0
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"write", "write", "snapshot", "restart"}).Draw(rt, "step") {
			case "write":
				count := rapid.IntRange(1, limit).Draw(rt, "operations")
				writeNumbers(t, h, "r", written+1, written+count)
				written += count
			case "snapshot": // as an instance makes one, at any moment
				if s, err := h.RoomState(t.Context(), "r"); err == nil && written > 0 {
					if err := log.SaveSnapshot(t.Context(), "r", s); err != nil {
						rt.Fatalf("SaveSnapshot: %v", err)
					}
				}
			case "restart":
				closeHub(t, h)
				h = open(t, cfg)
			}
		}
		s, err := h.RoomState(t.Context(), "r")
		known := err == nil
		if !known && flow.ErrorCode(err) != flow.CodeTrimmed { // nobody made a snapshot in time
			rt.Fatalf("RoomState: %v", err)
		}
		if want := "null"; known && written == 0 && string(s.Data) != want {
			rt.Fatalf("state %s, want %s", s.Data, want)
		}
		if known && written > 0 && string(s.Data) != numbers(1, written) {
			rt.Fatalf("state %s, want 1 to %d", s.Data, written)
		}
		closeHub(t, h)
	})
}

// The application is told of rooms that open and close, in order, and may use the hub meanwhile.
func TestConfig_OnRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		var h *flow.Hub
		note := func(what string) func(context.Context, string) {
			return func(_ context.Context, room string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, what+" "+room)
			}
		}
		h = open(t, flow.Config{
			OnRoomIdle: note("idle"),
			OnRoomOpen: func(ctx context.Context, room string) {
				if _, err := h.Submit(ctx, room, flow.User{ID: "seed"}, "seed", json.RawMessage(`"seed"`)); err != nil {
					t.Error(err)
				}
				note("open")(ctx, room)
			},
		})
		for range 2 {
			c := dial(t, h, "ann")
			c.join("r")
			advance(time.Minute)
			c.drop()
			advance(2 * time.Minute)
		}
		if err := h.DeleteRoom(t.Context(), "r"); err != nil {
			t.Error(err)
		}
		_, err := h.Operations(t.Context(), "r", flow.Query{Unchecked: true})
		if flow.ErrorCode(err) != flow.CodeRoomDeleted {
			t.Errorf("log: %v", err)
		}
		closeHub(t, h)
		if got := fmt.Sprint(told); got != "[open r idle r open r idle r]" {
			t.Errorf("told %s", got)
		}
	})
}

// A page has as many operations as it was asked for, whatever the backend gives at a time.
func TestHub_OperationsLimit(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, _ *flow.Hub) {
		writeNumbers(t, one, "r", 1, 700)
		for _, limit := range []int{1, 199, 201, 650, 1000} {
			page, err := one.Operations(t.Context(), "r", flow.Query{Unchecked: true, Limit: limit})
			if err != nil || len(page.Operations) != min(limit, 700) {
				t.Fatalf("limit %d: %d operations, %v", limit, len(page.Operations), err)
			}
			for i, op := range page.Operations {
				if op.Seq != uint64(i)+1 {
					t.Fatalf("limit %d: operation %d has seq %d", limit, i, op.Seq)
				}
			}
		}
	})
}
