package memx_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// bytesPerOperation is the data of an operation in these benchmarks: a small change of a board.
const bytesPerOperation = 200

// batchOf returns a batch of one session's operations, starting at 1.
func batchOf(session string, size int) flow.Batch {
	b := flow.Batch{Operations: make([]flow.Operation, size)}
	data := bytes.Repeat([]byte("x"), bytesPerOperation)
	for i := range b.Operations {
		b.Operations[i] = flow.Operation{Session: session, N: uint64(i) + 1, User: "u", Time: 1, Data: data}
	}
	return b
}

// Append, one operation a batch and 32; ns/op is for one operation.
func BenchmarkLog_Append(b *testing.B) {
	for _, size := range []int{1, 32} {
		b.Run(fmt.Sprint("batch ", size), func(b *testing.B) {
			log := memx.NewLog(memx.LogConfig{})
			batch := batchOf("session", size)
			b.ReportAllocs()
			b.SetBytes(int64(size) * bytesPerOperation)
			count := 0
			for b.Loop() {
				if err := appendNext(b.Context(), log, "room", batch); err != nil {
					b.Fatal(err)
				}
				count += size
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(count), "ns/operation")
		})
	}
}

// appendNext appends the batch and numbers it anew for the next time.
func appendNext(ctx context.Context, log flow.Log, room string, batch flow.Batch) error {
	answers, err := log.Append(ctx, room, batch)
	if err != nil || answers[0].Status != flow.Confirmed {
		return fmt.Errorf("append: %+v, %w", answers, err)
	}
	for i := range batch.Operations {
		batch.Operations[i].N += uint64(len(batch.Operations))
	}
	return nil
}

// Append to rooms of their own from all cores at once: rooms do not slow each other.
func BenchmarkLog_AppendParallel(b *testing.B) {
	log := memx.NewLog(memx.LogConfig{})
	rooms := make(chan string, 1024)
	for i := range cap(rooms) {
		rooms <- fmt.Sprint("room", i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		room := <-rooms
		batch := batchOf("session", 1)
		for pb.Next() {
			if err := appendNext(b.Context(), log, room, batch); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// Append with a follower that takes every feed.
func BenchmarkLog_AppendFollowed(b *testing.B) {
	log := memx.NewLog(memx.LogConfig{})
	stop := log.Follow("room", func(flow.Feed) {})
	defer stop()
	batch := batchOf("session", 32)
	b.ReportAllocs()
	for b.Loop() {
		if err := appendNext(b.Context(), log, "room", batch); err != nil {
			b.Fatal(err)
		}
	}
}

// Read of a page of 100 operations in a full room.
func BenchmarkLog_Read(b *testing.B) {
	log := memx.NewLog(memx.LogConfig{})
	batch := batchOf("session", 32)
	for range 400 {
		if err := appendNext(b.Context(), log, "room", batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		page, err := log.Read(b.Context(), "room", flow.Query{
			After: flow.Position{Seq: 9_000}, Unchecked: true, Limit: 100, Sessions: []string{"session"},
		})
		if err != nil || len(page.Operations) != 100 {
			b.Fatalf("Read: %d operations, %v", len(page.Operations), err)
		}
	}
}

// Publish to one subscriber of a topic.
func BenchmarkBus_Publish(b *testing.B) {
	bus := memx.NewBus()
	stop := bus.Subscribe("topic", func(flow.Delivery) {})
	defer stop()
	payload := bytes.Repeat([]byte("x"), bytesPerOperation)
	b.ReportAllocs()
	for b.Loop() {
		if err := bus.Publish(b.Context(), "topic", payload); err != nil {
			b.Fatal(err)
		}
	}
}

// List of a page of 100 sessions in a room of 1,000.
func BenchmarkSessionStore_List(b *testing.B) {
	store := memx.NewSessionStore(memx.SessionConfig{})
	for i := range 1000 {
		s := flow.Session{ID: fmt.Sprintf("s%03d", i), Room: "room", User: flow.User{ID: "u"}, Instance: "i"}
		if err := store.Put(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		found, err := store.List(b.Context(), flow.SessionQuery{Room: "room", After: "s500", Limit: 100})
		if err != nil || len(found) != 100 {
			b.Fatalf("List: %d sessions, %v", len(found), err)
		}
	}
}
