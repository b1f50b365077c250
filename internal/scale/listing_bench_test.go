package scale_test

import (
	"fmt"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/redisx"
)

// BenchmarkRedis_Rooms is what a page of 100 of the list of rooms costs, by how many there are.
func BenchmarkRedis_Rooms(b *testing.B) {
	for _, rooms := range []int{1000, 30000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			server := redistest.Start(b)
			store := redisx.NewSessionStore(connect(b, redisx.Single, server))
			fill(b, store, rooms)
			m := newMeter(b, server)
			listRooms(b, store)
			m.report(b.N, "page")
		})
	}
}

// BenchmarkMemory_Rooms is the same in memory.
func BenchmarkMemory_Rooms(b *testing.B) {
	for _, rooms := range []int{1000, 30000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			store := memx.NewSessionStore(memx.SessionConfig{})
			fill(b, store, rooms)
			listRooms(b, store)
		})
	}
}

// fill puts a session into each room.
func fill(b *testing.B, store flow.SessionStore, rooms int) {
	b.Helper()
	each(b, rooms, func(worker, i int) error {
		n := i*workers + worker
		return store.Put(b.Context(), flow.Session{
			ID: fmt.Sprint("session-", n), Room: fmt.Sprintf("room-%06d", n), Instance: "one",
			User: flow.User{ID: fmt.Sprint("user-", n)},
		})
	})
}

// listRooms asks for the page in the middle of the first 1,000 rooms.
func listRooms(b *testing.B, store flow.SessionStore) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		page, err := store.Rooms(b.Context(), "room-000499", 100)
		if err != nil || len(page) != 100 || page[0] != "room-000500" {
			b.Fatalf("Rooms: %d, %v", len(page), err)
		}
	}
}
