package memx

// Inside the package, because memory that is given back cannot be seen from outside.

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// inUse returns how many bytes are in use.
func inUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one finds to be pooled
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// use does everything with a room that leaves something behind.
func use(t *testing.T, l *Log, room string) {
	t.Helper()
	b := one("a", 1)
	b.Key = "key"
	answers, err := l.Append(t.Context(), room, b)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	at := flow.Position{Seq: answers[0].Seq, Hash: answers[0].Hash}
	if err := l.SaveSnapshot(t.Context(), room, flow.Snapshot{Position: at, Data: []byte(`{}`)}); err != nil {
		t.Fatalf("SaveSnapshot: %v", err)
	}
	lease := flow.Lease{Name: "work", Owner: "i", TTL: flow.MaxLease}
	if _, err := l.Acquire(t.Context(), room, at, lease, false); err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	if err := l.Advance(t.Context(), "group", room, at, "work", "i"); err != nil {
		t.Fatalf("Advance: %v", err)
	}
}

// A log that had very many rooms, each with operations, a key, a snapshot, a lease and a cursor, and many of
// them marked, is as small as before once their time is over and other calls have come by (I9).
func TestLog_Memory(t *testing.T) {
	const (
		rooms = 100_000
		// slack is a fraction of what one map of so many rooms keeps.
		slack = 1 << 19
	)
	var l *Log
	var base, full uint64
	synctest.Test(t, func(t *testing.T) {
		l = NewLog(LogConfig{OperationTTL: 2 * time.Minute, KeyTTL: 2 * time.Minute})
		base = inUse()
		for i := range rooms {
			use(t, l, fmt.Sprint("room", i))
			if i%8 == 0 {
				mustMark(t, l, fmt.Sprint("room", i))
			}
		}
		full = inUse()
		wantHeld(t, l, rooms, rooms)
		<-time.After(flow.MarkTTL)
		for range rooms / sweepAtOnce {
			wantHead(t, l, "another room", 0)
		}
	})
	left := inUse()
	wantHeld(t, l, 0, 0)
	wantMarks(t, l, 0)
	if full < base+rooms*100 {
		t.Errorf("with %d rooms %d bytes are in use, and without %d: they are not counted", rooms, full, base)
	}
	if left > base+slack {
		t.Errorf("%d bytes are in use, %d before; with all rooms %d", left, base, full)
	}
	runtime.KeepAlive(l)
}

func mustMark(t *testing.T, l *Log, room string) {
	t.Helper()
	if err := l.Mark(t.Context(), "i", room); err != nil {
		t.Fatalf("Mark: %v", err)
	}
}

func wantMarks(t *testing.T, l *Log, count int) {
	t.Helper()
	l.marks.mu.Lock()
	defer l.marks.mu.Unlock()
	if len(l.marks.order) != count || l.marks.byEnd.Len() != count {
		t.Errorf("%d marks, %d to end; want %d", len(l.marks.order), l.marks.byEnd.Len(), count)
	}
}

// Leases, cursors and marks end at their time, not before and not after, and a room of which nothing else
// is left goes with its last lease.
func TestLog_LeaseMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog(LogConfig{OperationTTL: time.Hour})
		for i, ttl := range []time.Duration{time.Second, 3 * time.Second, 2 * time.Second} {
			lease := flow.Lease{Name: fmt.Sprint("lease", i), Owner: "i", TTL: ttl}
			if _, err := l.Acquire(t.Context(), "room", flow.Position{}, lease, false); err != nil {
				t.Fatalf("Acquire: %v", err)
			}
		}
		mustMark(t, l, "room")
		for _, left := range []int{3, 2, 1, 0} {
			list, err := l.Leases(t.Context(), "room")
			if err != nil || len(list) != left {
				t.Errorf("Leases are %+v, %v, want %d", list, err, left)
			}
			<-time.After(time.Second - 1)
			list, err = l.Leases(t.Context(), "room")
			if err != nil || len(list) != left {
				t.Errorf("Leases a moment before one ends are %+v, %v, want %d", list, err, left)
			}
			<-time.After(1)
		}
		wantHeld(t, l, 0, 0)
		<-time.After(time.Hour - 4*time.Second - 1)
		wantHead(t, l, "another room", 0)
		wantMarks(t, l, 1)
		<-time.After(1)
		wantHead(t, l, "another room", 0)
		wantMarks(t, l, 0)
	})
}

// A room that was only asked for leases or cursors, or whose leases were released, is not kept (I9).
func TestLog_LeaseNothingKept(t *testing.T) {
	l := NewLog(LogConfig{})
	fence := flow.Position{Seq: 1, Hash: 1}
	lease := flow.Lease{Name: "a", Owner: "i", TTL: flow.MaxLease}
	if _, err := l.Acquire(t.Context(), "fenced", fence, lease, false); err == nil {
		t.Error("a lease was given to one who knows more than the log")
	}
	if err := l.Release(t.Context(), "released", "a", "i"); err != nil {
		t.Errorf("Release: %v", err)
	}
	if _, err := l.Leases(t.Context(), "listed"); err != nil {
		t.Errorf("Leases: %v", err)
	}
	if _, err := l.Cursor(t.Context(), "group", "asked"); err != nil {
		t.Errorf("Cursor: %v", err)
	}
	if err := l.Advance(t.Context(), "group", "advanced", fence, "a", "i"); flow.ErrorCode(err) != flow.CodeLocked {
		t.Errorf("Advance without a lease: %v", err)
	}
	if _, err := l.Acquire(t.Context(), "taken", flow.Position{}, lease, false); err != nil {
		t.Errorf("Acquire: %v", err)
	}
	if err := l.Advance(t.Context(), "group", "taken", fence, "a", "i"); flow.ErrorCode(err) != flow.CodeDiverged {
		t.Errorf("Advance without a log: %v", err)
	}
	wantHeld(t, l, 1, 1)
	if err := l.Release(t.Context(), "taken", "a", "i"); err != nil {
		t.Errorf("Release: %v", err)
	}
	wantHeld(t, l, 0, 0)
}
