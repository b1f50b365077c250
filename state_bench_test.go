package flow_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/mergepatch"
	"github.com/fiberflow/flow/redisx"
)

// arrival is a transport that tells when the head of a log has come, in an operation or with joined.
type arrival struct {
	void

	head  string
	seq   uint64
	there chan struct{}
	bytes int
}

func (a *arrival) Write(frames []*flow.Frame) error {
	for _, f := range frames {
		a.bytes += len(f.JSON)
		var joined struct{ Position string }
		there := f.Type == "op" && f.Position.Seq == a.seq
		if f.Type == "joined" && json.Unmarshal(f.JSON, &joined) == nil {
			there = joined.Position == a.head
		}
		if there {
			close(a.there)
		}
	}
	return nil
}

// BenchmarkHub_Join measures a join of a room with 100,000 operations on 1,000 members of an object, until the
// client is caught up: with a reducer, and with nothing but the log.
func BenchmarkHub_Join(b *testing.B) {
	const operations = 100_000
	for _, backend := range []string{"memory", "redis"} {
		for _, reduced := range []bool{true, false} {
			name := backend + map[bool]string{true: "/behind a snapshot", false: "/all operations"}[reduced]
			b.Run(name, func(b *testing.B) {
				cfg := flow.Config{Log: memx.NewLog(memx.LogConfig{OperationLimit: 2 * operations})}
				if backend == "redis" {
					conn, err := redisx.Open(b.Context(), redisx.Config{
						Addrs: []string{redistest.Start(b).Addr()}, Prefix: "b",
						OperationLimit: 2 * operations, Logger: quiet(),
					})
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { _ = conn.Close() })
					cfg.Log = redisx.NewLog(conn)
				}
				if reduced {
					cfg.Reductions = []flow.Reduction{{Rooms: "*", Reducer: mergepatch.Reducer{}}}
				}
				benchmarkJoin(b, cfg, operations)
			})
		}
	}
}

// awaitBench polls until ok.
func awaitBench(b *testing.B, ok func() bool) {
	b.Helper()
	for !ok() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-b.Context().Done():
			b.Fatal("never")
		}
	}
}

func benchmarkJoin(b *testing.B, cfg flow.Config, operations int) {
	b.Helper()
	h, err := flow.New(memory(cfg))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close(b.Context()) })
	var head flow.Submitted
	for i := 0; i < operations; i += 100 {
		batch := make([]json.RawMessage, 100)
		for k := range batch {
			batch[k] = fmt.Appendf(nil, `{"card-%d":{"x":%d,"y":%d,"text":"What card %d says"}}`, (i+k)%1000, i, k, i)
		}
		if head, err = h.Submit(b.Context(), "r", flow.User{ID: "ann"}, "", batch...); err != nil {
			b.Fatal(err)
		}
	}
	if cfg.Reductions != nil { // the log is written faster than snapshots are made
		awaitBench(b, func() bool {
			s, err := h.Snapshot(b.Context(), "r")
			return err == nil && s.Position.Seq > uint64(operations)-500
		})
	}
	sent := 0
	for b.Loop() {
		a := &arrival{head: head.Position, seq: uint64(operations), there: make(chan struct{})}
		c, err := h.Connect(a, flow.Client{User: &flow.User{ID: "late"}})
		if err != nil {
			b.Fatal(err)
		}
		c.Receive([]byte(`{"type":"join","id":"1","room":"r"}`))
		<-a.there
		sent = a.bytes
		c.Done()
	}
	b.ReportMetric(float64(sent), "bytes/join")
}
