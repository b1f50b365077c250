package memx

// Inside the package, because memory that is given back cannot be seen from outside.

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// held counts what a log keeps: rooms, and those waiting for their end.
func held(l *Log) (rooms, waiting int) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.RLock()
		rooms += len(s.rooms)
		s.mu.RUnlock()
	}
	l.due.mu.Lock()
	defer l.due.mu.Unlock()
	return rooms, len(l.due.heap)
}

func wantHeld(t *testing.T, l *Log, rooms, waiting int) {
	t.Helper()
	if r, w := held(l); r != rooms || w != waiting {
		t.Errorf("the log holds %d rooms, %d waiting for their end; want %d and %d", r, w, rooms, waiting)
	}
}

func one(session string, n uint64) flow.Batch {
	return flow.Batch{Operations: []flow.Operation{{Session: session, N: n, Data: []byte(`1`)}}}
}

func mustAppend(t *testing.T, l *Log, room string, b flow.Batch) {
	t.Helper()
	if _, err := l.Append(t.Context(), room, b); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func TestLog_Expiry(t *testing.T) {
	t.Run("memory returns to zero", func(t *testing.T) { synctest.Test(t, expiryOfMemory) })
	t.Run("at their time", func(t *testing.T) { synctest.Test(t, expiryAtItsTime) })
	t.Run("renewed", func(t *testing.T) { synctest.Test(t, expiryRenewed) })
}

// Rooms whose logs, tombstones and keys have ended cost nothing, once other calls have come by (I9).
func expiryOfMemory(t *testing.T) {
	l := NewLog(LogConfig{})
	for i := range 1000 {
		room := fmt.Sprint("room", i)
		b := one("a", 1)
		if i%2 == 0 {
			b.Key = "key"
		}
		mustAppend(t, l, room, b)
		if i%5 == 0 {
			mustDelete(t, l, room)
		}
	}
	wantHeld(t, l, 1000, 1000)
	<-time.After(11 * time.Minute)
	sweepAll(t, l)
	wantHeld(t, l, 800, 800)
	<-time.After(24 * time.Hour)
	sweepAll(t, l)
	wantHeld(t, l, 0, 0)
}

// Everything ends at its time, not before and not after.
func expiryAtItsTime(t *testing.T) {
	l := NewLog(LogConfig{OperationTTL: time.Hour, TombstoneTTL: time.Minute, KeyTTL: 3 * time.Hour})
	keyed := one("a", 1)
	keyed.Key = "key"
	mustAppend(t, l, "room", keyed)
	<-time.After(time.Hour - 1)
	wantHead(t, l, "room", 1)
	<-time.After(1)
	wantHead(t, l, "room", 0)
	mustAppend(t, l, "room", keyed) // the key outlives the log
	wantHead(t, l, "room", 0)
	<-time.After(2 * time.Hour)
	mustAppend(t, l, "room", keyed)
	wantHead(t, l, "room", 1)
	mustDelete(t, l, "room")
	<-time.After(time.Minute - 1)
	if _, err := l.Append(t.Context(), "room", one("a", 1)); flow.ErrorCode(err) != flow.CodeRoomDeleted {
		t.Errorf("Append before the tombstone ends: %v", err)
	}
	<-time.After(1)
	mustAppend(t, l, "room", one("a", 1))
}

// A log that is written to again and again stays, and is looked at seldom.
func expiryRenewed(t *testing.T) {
	l := NewLog(LogConfig{})
	for n := uint64(1); n <= 50; n++ {
		mustAppend(t, l, "room", one("a", n))
		<-time.After(23 * time.Hour)
		wantHeld(t, l, 1, 1)
	}
	wantHead(t, l, "room", 50)
}

func mustDelete(t *testing.T, l *Log, room string) {
	t.Helper()
	if err := l.Delete(t.Context(), room); err != nil {
		t.Fatalf("Delete: %v", err)
	}
}

// sweepAll makes as many calls as it takes to free everything that has expired.
func sweepAll(t *testing.T, l *Log) {
	t.Helper()
	for range 200 {
		wantHead(t, l, "another room", 0)
	}
}

func wantHead(t *testing.T, l *Log, room string, seq uint64) {
	t.Helper()
	page, err := l.Read(t.Context(), room, flow.Query{})
	if err != nil || page.Head.Seq != seq {
		t.Errorf("head of %s is %d, %v; want %d", room, page.Head.Seq, err, seq)
	}
}

// A room in which nothing is left is not kept: one that only refused, was only asked for, or was only
// followed (I9).
func TestLog_NothingKept(t *testing.T) {
	l := NewLog(LogConfig{})
	mustAppend(t, l, "refused", one("a", 2))
	if _, err := l.Append(t.Context(), "fenced", flow.Batch{Fence: flow.Position{Seq: 1, Hash: 1}}); err == nil {
		t.Error("a fence in an empty log was accepted")
	}
	wantHead(t, l, "read", 0)
	if _, err := l.Snapshot(t.Context(), "asked"); err == nil {
		t.Error("a room that was never written has a snapshot")
	}
	s := flow.Snapshot{Position: flow.Position{Seq: 1, Hash: 1}}
	if err := l.SaveSnapshot(t.Context(), "saved", s); err == nil {
		t.Error("a snapshot in an empty log was accepted")
	}
	unlinked := flow.Batch{Restore: true, Operations: one("a", 1).Operations}
	if _, err := l.Append(t.Context(), "restored", unlinked); !errors.Is(err, flow.ErrMoved) {
		t.Errorf("a restore that does not fit: %v", err)
	}
	mustAppend(t, l, "noted", flow.Batch{Restore: true, Sessions: map[string]uint64{"a": 1}})
	stop := l.Follow("followed", func(flow.Feed) {})
	stopTwice := l.Follow("followed", func(flow.Feed) {})
	wantHeld(t, l, 1, 0)
	stop()
	stopTwice()
	stopTwice()
	wantHeld(t, l, 0, 0)
}

// What was trimmed and what authors were forgotten does not stay in memory (I9).
func TestLog_Trimmed(t *testing.T) {
	const limit = 100
	l := NewLog(LogConfig{OperationLimit: limit})
	for i := range 20 * limit {
		b := one(fmt.Sprint("session", i), 1)
		b.Operations[0].Time = int64(i) * time.Hour.Milliseconds() / 10
		mustAppend(t, l, "room", b)
	}
	r, _ := l.enterExisting("room")
	defer l.leave(r)
	if used := cap(r.operations) + r.dropped; used > 3*limit {
		t.Errorf("an array of %d operations for %d", used, len(r.operations))
	}
	if len(r.sessions) > 2*flow.SweepEvery {
		t.Errorf("%d sessions are known", len(r.sessions))
	}
}

// When all sessions have ended, by deletion, by TTL or by being moved, the store is empty (I7, I9).
func TestSessionStore_Memory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSessionStore(SessionConfig{})
		for i := range 100 {
			id := fmt.Sprint("s", i%50) // each twice, in another room
			session := flow.Session{
				ID: id, Room: fmt.Sprint("r", i%7), User: flow.User{ID: fmt.Sprint("u", i%11)}, Instance: "i",
			}
			if err := s.Put(t.Context(), session); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			if err := s.Delete(t.Context(), fmt.Sprint("s", i)); err != nil {
				t.Fatal(err)
			}
		}
		if len(s.sessions) != 30 || s.byEnd.Len() != 30 {
			t.Errorf("%d sessions, %d to end; want 30", len(s.sessions), s.byEnd.Len())
		}
		<-time.After(time.Hour - 1)
		if _, err := s.Get(t.Context(), "s30"); err != nil {
			t.Errorf("Get before the TTL: %v", err)
		}
		<-time.After(1)
		if _, err := s.Get(t.Context(), "s30"); flow.ErrorCode(err) != flow.CodeNotFound {
			t.Errorf("Get after the TTL: %v", err)
		}
		if left := len(s.sessions) + len(s.rooms) + len(s.users) + len(s.instances) + s.byEnd.Len(); left != 0 {
			t.Errorf("%d entries are left", left)
		}
	})
}
