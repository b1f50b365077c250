package flow_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
)

// lockNames returns the locks that a hub shows a session to have.
func lockNames(t *testing.T, h *flow.Hub, room, session string) string {
	t.Helper()
	list, err := h.Participants(t.Context(), room, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.Session == session {
			return locksIn(t, p)
		}
	}
	return "nobody"
}

// A session that moves right after it took a lock shows it on its new instance, and so does everybody else.
func TestConn_LockMovesAtOnce(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		ann, bob := dial(t, one, "ann"), dial(t, one, "bob")
		j := ann.join("r")
		bob.join("r")
		if got := ann.request(msg{"type": "lock", "room": "r", "name": "x"}); got.str("type") != "ok" {
			t.Fatalf("lock answered %v", got)
		}
		ann.drop()
		again := dial(t, two, "ann")
		again.join("r", msg{"resume": j.str("resume")})
		for _, h := range []*flow.Hub{two, one} {
			eventually(t, "it is shown on "+h.Instance(), func() bool {
				return lockNames(t, h, "r", j.str("session")) == "[x]"
			})
		}
		if got := again.request(msg{"type": "unlock", "room": "r", "name": "x"}); got.str("type") != "ok" {
			t.Fatalf("unlock answered %v", got)
		}
		for _, h := range []*flow.Hub{two, one} {
			eventually(t, "it is shown no more on "+h.Instance(), func() bool {
				return lockNames(t, h, "r", j.str("session")) == "<nil>"
			})
		}
	})
}

// Who takes a lock right after joining is told of it in its own presence, as the others are.
func TestConn_LockIsShownToItsOwner(t *testing.T) {
	h := newHub(t, flow.Config{})
	c := dial(t, h, "ann")
	me := c.join("r").str("session")
	c.request(msg{"type": "lock", "room": "r", "name": "x"})
	wantLocks(t, c, me, "[x]")
}

// A lock ends with a kick, at once; after one that ended by itself another instance's session gets it.
func TestConn_LockEndsAcross(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		ann, bob := dial(t, one, "ann"), dial(t, two, "bob")
		me := ann.join("r").str("session")
		bob.join("r")
		ann.request(msg{"type": "lock", "room": "r", "name": "long", "ttl": 60000})
		before := time.Now()
		ann.request(msg{"type": "lock", "room": "r", "name": "short", "ttl": 1000})
		get := func(name string) func() bool {
			return func() bool {
				got := bob.request(msg{"type": "lock", "room": "r", "name": name})
				if got.str("type") != "ok" && got.str("code") != "locked" {
					t.Errorf("lock of %s answered %v", name, got)
				}
				return got.str("type") == "ok"
			}
		}
		pause := 20 * time.Millisecond // within the rate of messages
		pollEvery(t, pause, "a lock that has ended is free", get("short"))
		if lasted := time.Since(before); lasted < 990*time.Millisecond { // clocks of milliseconds may cut it
			t.Errorf("the lock ended after %v, want a second", lasted)
		}
		if get("long")() {
			t.Error("somebody else got the lock of one who is there")
		}
		kick(t, two, "r", me)
		pollEvery(t, pause, "a lock of one who was kicked is free", get("long"))
	})
}

// Who renews while Redis is away, or right after it lost its memory, has a lock that it had been given until it
// ends: nobody else gets it, whatever the answers to the renewals were, and it is shown all the time.
func TestOutage_LockRenewed(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"empty after a restart", "flushed"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			seldom := flow.Config{PositionCheck: time.Hour} // that it is lost the renewal is to find
			h, other := onServer(t, s, seldom), onServer(t, s, seldom)
			ann := dial(t, h, "ann")
			me := ann.join("r").str("session")
			ann.op("r", 1, "x")
			ann.expect("op")
			lock := msg{"type": "lock", "room": "r", "name": "card", "ttl": 60000}
			if got := ann.request(lock); got.str("type") != "ok" {
				t.Fatalf("lock answered %v", got)
			}
			bob := dial(t, other, "bob")
			bob.join("r")
			eventually(t, "the other instance has the room's head", func() bool { return bob.count("op") == 1 })
			lose(t, s, h, fault == "flushed")
			if got := ann.request(lock); got.str("code") != "unavailable" {
				t.Fatalf("a renewal answered %v", got)
			}
			if got := lockNames(t, h, "r", me); got != "[card]" {
				t.Errorf("after the renewal was refused the locks are shown as %s", got)
			}
			if fault != "flushed" {
				s.RestartEmpty(t)
			}
			pollEvery(t, 50*time.Millisecond, "locks are given again", func() bool {
				got := bob.request(msg{"type": "lock", "room": "r", "name": "card"})
				if got.str("type") == "ok" {
					t.Fatal("somebody else got the lock")
				}
				return bob.request(msg{"type": "lock", "room": "r", "name": "other"}).str("type") == "ok"
			})
			pollEvery(t, 50*time.Millisecond, "it is renewed", func() bool {
				return ann.request(lock).str("type") == "ok"
			})
		})
	}
}

// lose makes Redis lose everything, and waits until the instance has noticed if it stays away.
func lose(t *testing.T, s *redistest.Server, h *flow.Hub, flush bool) {
	t.Helper()
	if flush {
		if err := s.Client(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return
	}
	s.Kill(t)
	eventually(t, "the outage is noticed", func() bool { return h.State() == flow.Degraded })
}

// leaseGate stands before leases, and can hold requests up or refuse them.
type leaseGate struct {
	to      flow.Leases
	mu      sync.Mutex
	before  func(held bool) error // called with each request to acquire
	held    int                   // requests to take again what was had
	release int
}

func (g *leaseGate) Acquire(
	ctx context.Context, room string, fence flow.Position, l flow.Lease, held bool,
) (flow.Lease, error) {
	g.mu.Lock()
	before := g.before
	if held {
		g.held++
	}
	g.mu.Unlock()
	if before != nil {
		if err := before(held); err != nil {
			return flow.Lease{}, err
		}
	}
	return g.to.Acquire(ctx, room, fence, l, held)
}

func (g *leaseGate) Release(ctx context.Context, room, name, owner string) error {
	g.mu.Lock()
	g.release++
	g.mu.Unlock()
	return g.to.Release(ctx, room, name, owner)
}

func (g *leaseGate) Leases(ctx context.Context, room string) ([]flow.Lease, error) {
	return g.to.Leases(ctx, room)
}

func (g *leaseGate) set(before func(held bool) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = before
}

func (g *leaseGate) counts() (held, release int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held, g.release
}

// A renewal whose answer comes when its session has moved to another instance takes nothing from it there.
func TestConn_LockRenewedWhileMoving(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{})
	gate := &leaseGate{to: log}
	cfg := memory(flow.Config{
		Log: log, Leases: gate, Secrets: func() [][]byte { return [][]byte{[]byte("shared")} },
	})
	cfg.Instance = "one"
	one := newHub(t, cfg)
	cfg.Instance, cfg.Leases = "two", log
	two := newHub(t, cfg)
	ann := dial(t, one, "ann")
	j := ann.join("r")
	ann.request(msg{"type": "lock", "room": "r", "name": "x", "ttl": 60000})
	asked, open := make(chan struct{}), make(chan struct{})
	gate.set(func(bool) error { close(asked); <-open; return nil })
	var renewal sync.WaitGroup
	renewal.Go(func() { ann.send(msg{"type": "lock", "id": "late", "room": "r", "name": "x", "ttl": 60000}) })
	<-asked
	again := dial(t, two, "ann")
	again.join("r", msg{"resume": j.str("resume")})
	if left := ann.expect("left"); left.str("reason") != "replaced" {
		t.Fatalf("left is %v", left)
	}
	close(open)
	renewal.Wait()
	ann.drop()
	if err := one.Close(t.Context()); err != nil { // waits for what the renewal may have begun
		t.Fatal(err)
	}
	if err := two.Lock(t.Context(), "r", "x", "thief", time.Second); flow.ErrorCode(err) != flow.CodeLocked {
		t.Errorf("another's lock: %v", err)
	}
	if got := lockNames(t, two, "r", j.str("session")); got != "[x]" {
		t.Errorf("the locks are shown as %s", got)
	}
}

// What cannot be taken again because Redis went away once more is neither given up nor given back: it is tried
// again when Redis is there, before anybody else can have it.
func TestOutage_LockRetakenInTheSecondTry(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	gate := &leaseGate{to: log.Log.(flow.Leases)}
	h := newHub(t, flow.Config{Log: log, Leases: gate})
	ann := dial(t, h, "ann")
	me := ann.join("r").str("session")
	if got := ann.request(msg{"type": "lock", "room": "r", "name": "x", "ttl": 60000}); got.str("type") != "ok" {
		t.Fatalf("lock answered %v", got)
	}
	log.set(true, false)
	for ann.expect("state").str("state") != "degraded" {
	}
	gate.set(func(held bool) error {
		if held {
			return flow.Unavailable(errors.New("away once more"))
		}
		return nil
	})
	log.set(false, false)
	eventually(t, "it is taken again in vain", func() bool { held, _ := gate.counts(); return held > 0 })
	if got := ann.request(msg{"type": "lock", "room": "r", "name": "y"}); got.str("code") != "unavailable" {
		t.Errorf("a lock before those that were had are back answered %v", got)
	}
	gate.set(nil)
	eventually(t, "locks are given again", func() bool {
		return h.Lock(t.Context(), "r", "probe", "job", time.Second) == nil
	})
	held, release := gate.counts()
	if got := lockNames(t, h, "r", me); got != "[x]" || held < 2 || release > 0 {
		t.Errorf("locks are shown as %s, %d requests to have them again, %d given back", got, held, release)
	}
}

// A lock that the application renews in vain stays its own until it ends.
func TestHub_LockInDoubt(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{})
	gate := &leaseGate{to: log}
	h := newHub(t, flow.Config{Log: log, Leases: gate})
	if err := h.Lock(t.Context(), "r", "x", "job", time.Minute); err != nil {
		t.Fatal(err)
	}
	gate.set(func(bool) error { return flow.Unavailable(context.DeadlineExceeded) })
	if err := h.Lock(t.Context(), "r", "x", "job", time.Minute); flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Fatalf("a renewal in doubt: %v", err)
	}
	if err := h.Close(t.Context()); err != nil { // waits for what the renewal may have begun
		t.Fatal(err)
	}
	if list, err := log.Leases(t.Context(), "r"); err != nil || len(list) != 1 {
		t.Errorf("leases are %v, %v, want the one that was given", list, err)
	}
}
