package redisx_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// appendAll has each of many rooms append one operation after the other, all rooms at the same time, and
// calls halfway when one is in the middle. Each operation is confirmed at its place (I1, I3).
func appendAll(t *testing.T, l *redisx.Log, halfway func()) {
	t.Helper()
	const rooms, operations = 40, 25
	var running sync.WaitGroup
	var once sync.Once
	for i := range rooms {
		running.Go(func() {
			var fence flow.Position
			for n := uint64(1); n <= operations; n++ {
				if n == operations/2 {
					once.Do(halfway)
				}
				b := flow.Batch{Fence: fence, Operations: []flow.Operation{op("s", n)}}
				answers, err := l.Append(t.Context(), fmt.Sprint("room-", i), b)
				if err != nil || answers[0].Status != flow.Confirmed || answers[0].Seq != n {
					t.Errorf("Append %d: %+v, %v", n, answers, err)
					return
				}
				fence = flow.Position{Seq: n, Hash: answers[0].Hash}
			}
		})
	}
	running.Wait()
	for i := range rooms {
		page, err := l.Read(t.Context(), fmt.Sprint("room-", i), flow.Query{Limit: 2 * operations})
		if err != nil || len(page.Operations) != operations {
			t.Fatalf("room %d has %d operations, %v", i, len(page.Operations), err)
		}
	}
}

// Scripts that are flushed while many append cost each of them a second try and nothing else.
func TestPipe_ScriptFlush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := redisx.NewLog(open(t, redisx.Config{Addrs: []string{server.Addr()}}))
	client := server.Client(t)
	appendAll(t, l, func() {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Errorf("ScriptFlush: %v", err)
		}
	})
}

// In a Cluster each room's calls go to the node that it is on, also while scripts are flushed.
func TestPipe_Cluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	config := redisx.Config{Mode: redisx.Cluster}
	for _, n := range nodes {
		config.Addrs = append(config.Addrs, n.Addr())
	}
	client := nodes[1].Client(t)
	appendAll(t, redisx.NewLog(open(t, config)), func() {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Errorf("ScriptFlush: %v", err)
		}
	})
}
