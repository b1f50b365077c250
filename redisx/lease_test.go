package redisx_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/conformance"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// take acquires a lease that lasts longer than the test.
func take(t testing.TB, l flow.Leases, fence flow.Position, name, owner string) {
	t.Helper()
	lease := flow.Lease{Name: name, Owner: owner, TTL: flow.MaxLease}
	if _, err := l.Acquire(t.Context(), "room", fence, lease, false); err != nil {
		t.Fatalf("Acquire of %q for %s: %v", name, owner, err)
	}
}

// Leases and cursors go with the log through a restart of Redis with its data. When the data are lost nobody
// who knows of the log gets a lease, which another may believe to have, before the log is restored; and a
// cursor cannot be set with a lease that is lost (I8).
func TestLog_Leases_Restart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.AppendOnly())
	log := redisx.NewLog(open(t, redisx.Config{Addrs: []string{server.Addr()}}))
	head := confirm(t, log, "room", "a", 1)
	take(t, log, head, "a", "ann")
	if err := log.Advance(t.Context(), "group", "room", head, "a", "ann"); err != nil {
		t.Fatalf("Advance: %v", err)
	}

	server.Kill(t)
	server.Restart(t)
	bob := flow.Lease{Name: "a", Owner: "bob", TTL: time.Second}
	eventually(t, "the lease is still taken", func() bool {
		other, err := log.Acquire(t.Context(), "room", head, bob, false)
		if err == nil || flow.ErrorCode(err) == flow.CodeLocked && other.Owner != "ann" {
			t.Fatalf("after the restart Acquire = %+v, %v", other, err)
		}
		return flow.ErrorCode(err) == flow.CodeLocked
	})
	if at, err := log.Cursor(t.Context(), "group", "room"); err != nil || at != head {
		t.Errorf("after the restart the cursor is %v, %v, want %v", at, err, head)
	}

	if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatalf("FlushAll: %v", err)
	}
	for _, held := range []bool{false, true} {
		if _, err := log.Acquire(t.Context(), "room", head, bob, held); !errors.Is(err, flow.ErrNoLog) {
			t.Errorf("Acquire = %v, want ErrNoLog", err)
		}
	}
	wantCode(t, log.Advance(t.Context(), "group", "room", head, "a", "ann"), flow.CodeLocked)
}

// While Redis is away there is no lease and no cursor, and no waiting for one (I13).
func TestLog_Leases_Away(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	log := redisx.NewLog(open(t, redisx.Config{Addrs: []string{server.Addr()}}))
	head := confirm(t, log, "room", "a", 1)
	server.Kill(t)
	_, acquired := log.Acquire(t.Context(), "room", head, flow.Lease{Name: "a", Owner: "ann", TTL: time.Second}, false)
	_, listed := log.Leases(t.Context(), "room")
	_, read := log.Cursor(t.Context(), "group", "room")
	_, marked := log.Marked(t.Context(), flow.Mark{}, 10)
	for name, err := range map[string]error{
		"Acquire": acquired, "Leases": listed, "Cursor": read, "Marked": marked,
		"Release": log.Release(t.Context(), "room", "a", "ann"),
		"Advance": log.Advance(t.Context(), "group", "room", head, "a", "ann"),
		"Mark":    log.Mark(t.Context(), "i", "room"),
		"Unmark":  log.Unmark(t.Context(), flow.Mark{Room: "room", Instance: "i"}),
	} {
		if flow.ErrorCode(err) != flow.CodeUnavailable {
			t.Errorf("%s = %v, want it unavailable", name, err)
		}
	}
	if h := log.Health(""); h.State != flow.Degraded {
		t.Errorf("ordering is %+v, want it degraded", h)
	}
}

// A Redis that takes no writes, because it has no memory left or is a replica, refuses leases, cursors, marks
// and snapshots each as a whole: what was there before stays, and goes on afterwards (I8).
func TestLog_Leases_Refused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"OOM", "READONLY"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			config := redisx.Config{Addrs: []string{server.Addr()}, Prefix: redistest.Prefix(t)}
			log := redisx.NewLog(open(t, config))
			first := confirm(t, log, "room", "a", 1)
			head := confirm(t, log, "room", "a", 2)
			save(t, log, "room", first)
			take(t, log, head, "a", "ann")
			bob := flow.Lease{Name: "b", Owner: "bob", TTL: time.Minute}
			calls := map[string]func(l *redisx.Log) error{
				"Acquire": func(l *redisx.Log) error {
					_, err := l.Acquire(t.Context(), "room", head, bob, false)
					return err
				},
				"Advance": func(l *redisx.Log) error { return l.Advance(t.Context(), "g", "room", head, "a", "ann") },
				"Mark":    func(l *redisx.Log) error { return l.Mark(t.Context(), "i", "room") },
				"SaveSnapshot": func(l *redisx.Log) error {
					return l.SaveSnapshot(t.Context(), "room", flow.Snapshot{Position: head, Data: []byte("{}")})
				},
			}
			logs := map[string]*redisx.Log{} // each finds out by itself
			for name := range calls {
				logs[name] = redisx.NewLog(open(t, config))
			}
			mend := serverFaults()[name].begin(t, server)
			for name, call := range calls {
				if err := call(logs[name]); flow.ErrorCode(err) != flow.CodeUnavailable {
					t.Errorf("%s = %v, want it unavailable", name, err)
				}
			}
			mend()
			eventually(t, "it is back", func() bool { return log.Mark(t.Context(), "other", "room") == nil })
			wantUntouched(t, log, first)
			for name, call := range calls {
				eventually(t, name+" works", func() bool { return call(logs[name]) == nil })
			}
		})
	}
}

// wantUntouched checks that none of the calls of [TestLog_Leases_Refused] has left anything.
func wantUntouched(t *testing.T, log *redisx.Log, snapshot flow.Position) {
	t.Helper()
	leases, err := log.Leases(t.Context(), "room")
	if err != nil || len(leases) != 1 || leases[0].Owner != "ann" {
		t.Errorf("Leases = %+v, %v, want ann's only", leases, err)
	}
	if at, err := log.Cursor(t.Context(), "g", "room"); err != nil || at != (flow.Position{}) {
		t.Errorf("Cursor = %v, %v, want none", at, err)
	}
	if s, err := log.Snapshot(t.Context(), "room"); err != nil || s.Position != snapshot {
		t.Errorf("Snapshot at %v, %v, want it at %v", s.Position, err, snapshot)
	}
	marks, err := log.Marked(t.Context(), flow.Mark{}, 10)
	if err != nil || len(marks) != 1 || marks[0].Instance != "other" {
		t.Errorf("Marked = %+v, %v, want the other's", marks, err)
	}
}

// The key of a room's leases ends with the last of them, and keeps none that have ended for good (I7).
func TestLog_Leases_Key(t *testing.T) {
	t.Parallel()
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	log, key := redisx.NewLog(open(t, redisx.Config{Prefix: prefix})), prefix+":{room}:leases"
	for i := range 20 {
		brief := flow.Lease{Name: fmt.Sprint("brief", i), Owner: "ann", TTL: time.Millisecond}
		if _, err := log.Acquire(t.Context(), "room", flow.Position{}, brief, false); err != nil {
			t.Fatalf("Acquire: %v", err)
		}
	}
	eventually(t, "the key ends", func() bool { return client.Exists(t.Context(), key).Val() == 0 })

	take(t, log, flow.Position{}, "a", "ann")
	long := client.PTTL(t.Context(), key).Val()
	if long <= 0 || long > flow.MaxLease {
		t.Errorf("the key lasts %v, want as long as the lease", long)
	}
	// As if they were of a minute ago.
	if err := client.HSet(t.Context(), key, "l:old", "1 bob", "swept", "1").Err(); err != nil {
		t.Fatalf("HSet: %v", err)
	}
	take(t, log, flow.Position{}, "b", "ann")
	if client.HExists(t.Context(), key, "l:old").Val() || !client.HExists(t.Context(), key, "l:a").Val() {
		t.Errorf("the leases are %v, want those that are in force", client.HGetAll(t.Context(), key).Val())
	}
	for _, name := range []string{"a", "b"} {
		if err := log.Release(t.Context(), "room", name, "ann"); err != nil {
			t.Fatalf("Release: %v", err)
		}
	}
	if client.Exists(t.Context(), key).Val() != 0 {
		t.Error("the key outlives the last lease")
	}
}

// A key of a snapshot or of leases that holds something else harms neither appends nor other rooms, and
// gives way to what belongs there (I6).
func TestLog_WrongType(t *testing.T) {
	t.Parallel()
	h := newHealing(t, 3)
	log := h.log.(*redisx.Log) //nolint:forcetypeassert // newHealing made it
	h.damage(func(p redis.Pipeliner) {
		for _, name := range []string{"snap", "snap~", "leases"} {
			p.RPush(t.Context(), h.key+name, "x")
		}
	})
	for n := uint64(4); n < 9; n++ { // some of them trim
		confirm(t, log, "room", "a", n)
		confirm(t, log, "other", "a", n-3)
	}
	_, err := log.Snapshot(t.Context(), "room")
	wantCode(t, err, flow.CodeNotFound)
	if list, err := log.Leases(t.Context(), "room"); err != nil || len(list) != 0 {
		t.Errorf("Leases = %v, %v, want none", list, err)
	}
	if err := log.Release(t.Context(), "room", "a", "ann"); err != nil {
		t.Errorf("Release: %v", err)
	}
	page, err := log.Read(t.Context(), "room", flow.Query{})
	wantCode(t, err, flow.CodeTrimmed)
	take(t, log, page.Head, "a", "ann")
	save(t, log, "room", page.Head)
	if s, err := log.Snapshot(t.Context(), "room"); err != nil || s.Position != page.Head {
		t.Errorf("Snapshot = %v, %v", s.Position, err)
	}
	if n := h.lines.count("redis is away"); n != 0 {
		t.Errorf("it was taken for an outage:\n%s", &h.lines)
	}
}

// Over a Cluster leases and cursors keep their contracts too: what is of a room is on its node, and all marks
// are in one order.
func TestLog_Cluster(t *testing.T) {
	t.Parallel()
	var addrs []string
	for _, n := range redistest.StartCluster(t) {
		addrs = append(addrs, n.Addr())
	}
	two := func(t *testing.T, s conformance.LogSettings) (one, other *redisx.Log) {
		t.Helper()
		config := logConfig(s)
		config.Mode, config.Addrs, config.Prefix = redisx.Cluster, addrs, redistest.Prefix(t)
		return redisx.NewLog(open(t, config)), redisx.NewLog(open(t, config))
	}
	t.Run("leases", func(t *testing.T) {
		conformance.Leases(t, func(t *testing.T, s conformance.LogSettings) (one, other conformance.LeaseLog) {
			t.Helper()
			return two(t, s)
		})
	})
	t.Run("cursors", func(t *testing.T) {
		conformance.Cursors(t, func(t *testing.T, s conformance.LogSettings) (one, other conformance.CursorLog) {
			t.Helper()
			return two(t, s)
		})
	})
}

// BenchmarkLog_Acquire renews a lease of a room with a log.
func BenchmarkLog_Acquire(b *testing.B) {
	log := redisx.NewLog(open(b, redisx.Config{}))
	head := confirm(b, log, "room", "a", 1)
	b.ReportAllocs()
	for b.Loop() {
		take(b, log, head, "a", "ann")
	}
}

// BenchmarkLog_Advance sets how far a group has come, to the middle of a log.
func BenchmarkLog_Advance(b *testing.B) {
	log := redisx.NewLog(open(b, redisx.Config{}))
	at := confirm(b, log, "room", "a", 1)
	for n := uint64(2); n < 200; n++ {
		if p := confirm(b, log, "room", "a", n); n == 100 {
			at = p
		}
	}
	take(b, log, at, "a", "ann")
	b.ReportAllocs()
	for b.Loop() {
		if err := log.Advance(b.Context(), "group", "room", at, "a", "ann"); err != nil {
			b.Fatalf("Advance: %v", err)
		}
	}
}
