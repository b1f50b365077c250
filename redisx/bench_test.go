package redisx_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// BenchmarkLog_Append appends batches of 200-byte operations, one room for each goroutine, as group
// commit does; the time told is that of one operation.
func BenchmarkLog_Append(b *testing.B) {
	for _, size := range []int{1, 8, 32, 128} {
		for _, goroutines := range []int{1, 16} {
			b.Run(fmt.Sprintf("batch=%d/goroutines=%d", size, goroutines), func(b *testing.B) {
				benchmarkAppend(b, size, goroutines)
			})
		}
	}
}

func benchmarkAppend(b *testing.B, size, goroutines int) {
	b.Helper()
	ordering := redisx.NewLog(open(b, redisx.Config{}))
	data := []byte(`"` + strings.Repeat("x", 198) + `"`)
	var left atomic.Int64
	left.Store(int64(b.N))
	var running sync.WaitGroup
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for i := range goroutines {
		running.Go(func() {
			n := uint64(0)
			for left.Add(-int64(size)) > -int64(size) {
				batch := flow.Batch{Operations: make([]flow.Operation, size)}
				for k := range batch.Operations {
					n++
					batch.Operations[k] = flow.Operation{Session: "session", N: n, User: "user", Time: 1, Data: data}
				}
				answers, err := ordering.Append(b.Context(), fmt.Sprint("room-", i), batch)
				if err != nil || answers[size-1].Status != flow.Confirmed {
					b.Errorf("Append: %+v, %v", answers, err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkLog_Read reads full pages of 200-byte operations; the time told is that of one page.
func BenchmarkLog_Read(b *testing.B) {
	ordering := redisx.NewLog(open(b, redisx.Config{}))
	batch := flow.Batch{}
	for n := uint64(1); n <= 200; n++ {
		o := op("a", n)
		o.Data = []byte(`"` + strings.Repeat("x", 198) + `"`)
		batch.Operations = append(batch.Operations, o)
	}
	if _, err := ordering.Append(b.Context(), "room", batch); err != nil {
		b.Fatalf("Append: %v", err)
	}
	for _, limit := range []int{0, 1, 200} {
		b.Run(fmt.Sprint("limit=", limit), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := ordering.Read(b.Context(), "room", flow.Query{Limit: limit})
				if err != nil || len(page.Operations) != limit {
					b.Fatalf("Read: %d operations, %v", len(page.Operations), err)
				}
			}
		})
	}
}

// BenchmarkBus_Publish publishes from many goroutines, whose messages share round trips.
func BenchmarkBus_Publish(b *testing.B) {
	bus := redisx.NewBus(open(b, redisx.Config{Prefix: redistest.Prefix(b)}))
	payload := make([]byte, 200)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := bus.Publish(b.Context(), "topic", payload); err != nil {
				b.Errorf("Publish: %v", err)
				return
			}
		}
	})
}

// BenchmarkSessionStore_Touch touches a thousand sessions of an instance, none of them due.
func BenchmarkSessionStore_Touch(b *testing.B) {
	store := redisx.NewSessionStore(open(b, redisx.Config{}))
	var ids []string
	for i := range 1000 {
		s := session(fmt.Sprint("session-", i), fmt.Sprint("room-", i%200), fmt.Sprint("user-", i))
		ids = append(ids, s.ID)
		if err := store.Put(b.Context(), s); err != nil {
			b.Fatalf("Put: %v", err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if lost, err := store.Touch(b.Context(), "i", ids); err != nil || len(lost) > 0 {
			b.Fatalf("Touch: %d lost, %v", len(lost), err)
		}
	}
}
