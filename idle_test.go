package flow_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/mergepatch"
)

// Rooms that were once used leave nothing behind: neither in the hub, half a minute later, nor in the log, after
// its TTL. States, snapshots, locks, leases and consumers included. I9
func TestHub_RoomsLeaveNothing(t *testing.T) { synctest.Test(t, testRoomsLeaveNothing) }

func testRoomsLeaveNothing(t *testing.T) {
	log, l := memx.NewLog(memx.LogConfig{OperationTTL: time.Hour}), newLedger()
	h := open(t, flow.Config{
		Log: log, SnapshotEvery: 2, OnCommitted: []flow.Consumer{l.consumer("g", "i")},
		Reductions: []flow.Reduction{{Rooms: "*", Reducer: mergepatch.Reducer{}}},
	})
	round := func(from, to int) {
		for i := from; i < to; i++ {
			room := fmt.Sprint("room-", i)
			for range 2 {
				_, err := h.Submit(t.Context(), room, flow.User{ID: "u"}, "", json.RawMessage(`{"a":{"b":1}}`))
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := h.Lock(t.Context(), room, "card", "o", time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		advance(5 * time.Minute)
		l.mu.Lock()
		l.rooms = map[string][]uint64{}
		l.mu.Unlock()
		advance(2 * time.Hour)
	}
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	settle := func() {
		for range 2000 { // the log frees a few rooms with each call
			if _, err := log.Read(t.Context(), "sweep", flow.Query{Unchecked: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	round(0, 2000) // tables that have grown are used again: they are of the base
	settle()
	base := heap()
	round(2000, 4000)
	if rooms := h.Stats().Rooms; rooms != 0 {
		t.Errorf("%d rooms are open", rooms)
	}
	settle()
	if grown := heap() - base; grown > 512<<10 {
		t.Errorf("2,000 rooms left %d KB behind", grown>>10)
	}
	closeHub(t, h)
}
