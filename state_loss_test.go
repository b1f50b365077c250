package flow_test

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// onServer returns a hub whose log alone is on a Redis of the test's.
func onServer(t *testing.T, s *redistest.Server, cfg flow.Config) *flow.Hub {
	t.Helper()
	conn, err := redisx.Open(t.Context(), redisx.Config{
		Addrs: []string{s.Addr()}, Prefix: "f", Logger: quiet(), OperationLimit: 100,
		Timeout: patience, // a busy machine is no outage, and who is killed is known to be gone at once
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close connection: %v", err)
		}
	})
	cfg.Log, cfg.PositionCheck = redisx.NewLog(conn), cmp.Or(cfg.PositionCheck, 300*time.Millisecond)
	return newHub(t, cfg)
}

// A Redis that lost everything, also what a snapshot stands for, gets room and snapshot back: a newcomer on an
// instance that knew nothing has the whole state. With and without a reducer. I1, I2
func TestRecover_Snapshot(t *testing.T) {
	for name, reductions := range map[string][]flow.Reduction{"reducer": lists(), "clients": nil} {
		for _, fault := range []string{"empty after a restart", "flushed"} {
			t.Run(name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				s := redistest.Start(t)
				h := onServer(t, s, flow.Config{Reductions: reductions, SnapshotEvery: 50})
				c := dial(t, h, "ann")
				c.join("r")
				count := 0
				for range 12 {
					writeNumbers(t, h, "r", count+1, count+50)
					count += 50
					awaitSnapshot(t, h, c, reductions != nil, count)
				}
				if fault == "flushed" {
					if err := s.Client(t).FlushAll(t.Context()).Err(); err != nil {
						t.Fatal(err)
					}
				} else {
					s.Kill(t)
					s.RestartEmpty(t)
				}
				eventually(t, "the log takes operations again", func() bool {
					result, err := h.Submit(t.Context(), "r", flow.User{ID: "ann"}, "", []byte(fmt.Sprint(count+1)))
					return err == nil && !result.Queued
				})
				wantNewcomer(t, onServer(t, s, flow.Config{Reductions: reductions}), count+1)
				if n := h.Stats().DataLoss; n != 0 {
					t.Errorf("%d operations count as lost, and none is", n)
				}
			})
		}
	}
}

// awaitSnapshot waits for a snapshot of nearly everything, which the client sends if the server does not make it.
func awaitSnapshot(t *testing.T, h *flow.Hub, c *client, byServer bool, count int) {
	t.Helper()
	if !byServer {
		page, err := h.Operations(t.Context(), "r", flow.Query{Unchecked: true})
		if err != nil && flow.ErrorCode(err) != flow.CodeTrimmed {
			t.Fatal(err)
		}
		got := c.request(msg{"type": "snapshot", "room": "r", "position": page.Head.String(), "data": count})
		if got.str("type") != "ok" {
			t.Fatalf("snapshot answered %v", got)
		}
	}
	eventually(t, "there is a snapshot", func() bool {
		s, err := h.Snapshot(t.Context(), "r")
		return err == nil && int(s.Position.Seq) > count-50
	})
}

// wantNewcomer checks that who comes now gets everything: what the snapshot has, and what follows.
func wantNewcomer(t *testing.T, h *flow.Hub, count int) {
	t.Helper()
	c := dial(t, h, "late")
	j := c.join("r")
	s, _ := j["snapshot"].(map[string]any)
	have := 0
	switch data := s["data"].(type) {
	case []any:
		have = len(data)
	case float64:
		have = int(data)
	}
	if have == 0 {
		t.Fatalf("a newcomer gets no snapshot: %v", j)
	}
	for n := have + 1; n <= count; n++ {
		got := c.expect("op")
		if data, _ := got["data"].(float64); int(data) < n { // sent while the outcome was in doubt: once more
			t.Fatalf("operation %v after %d", got, n-1)
		}
	}
}

// Who comes while Redis is away gets the state that the instance has, and goes on from there; locks are refused
// meanwhile. Once Redis is back, empty, who had a lock has it again before anybody else.
func TestOutage_StateAndLocks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	h := onServer(t, s, flow.Config{Reductions: lists(), SnapshotEvery: 50})
	ann := dial(t, h, "ann")
	ann.join("r")
	writeNumbers(t, h, "r", 1, 300)
	wantState(t, h, "r", numbers(1, 300))
	if got := ann.request(msg{"type": "lock", "room": "r", "name": "card", "ttl": 60000}); got.str("type") != "ok" {
		t.Fatalf("lock answered %v", got)
	}
	s.Kill(t)
	eventually(t, "the outage is noticed", func() bool { return h.State() == flow.Degraded })
	late := dial(t, h, "late")
	j := late.join("r")
	snapshot, _ := j["snapshot"].(map[string]any)
	data, _ := snapshot["data"].([]any)
	if len(data) == 0 || j["resumed"] != false {
		t.Fatalf("a newcomer gets %v", j)
	}
	for n := len(data) + 1; n <= 300; n++ {
		if got := late.expect("op"); got.num("seq") != int64(n) {
			t.Fatalf("operation %d is %v", n, got)
		}
	}
	wantState(t, h, "r", numbers(1, 300))
	if got := late.request(msg{"type": "lock", "room": "r", "name": "other"}); got.str("code") != "unavailable" {
		t.Errorf("a lock during the outage answered %v", got)
	}
	s.RestartEmpty(t)
	other := onServer(t, s, flow.Config{Reductions: lists()})
	eventually(t, "locks are given again", func() bool {
		err := other.Lock(t.Context(), "r", "probe", "test", time.Second)
		page, _ := other.Operations(t.Context(), "r", flow.Query{Unchecked: true})
		return err == nil && page.Head.Seq >= 300
	})
	eventually(t, "somebody else is told that the lock is taken", func() bool {
		err := other.Lock(t.Context(), "r", "card", "thief", time.Second)
		if err == nil {
			t.Fatal("somebody else got the lock of one who had it")
		}
		return flow.ErrorCode(err) == flow.CodeLocked // else the log settles once more
	})
}
