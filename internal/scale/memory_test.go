package scale_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// inUse returns the bytes of heap and stacks in use.
func inUse() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one finds to be pooled
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}

// quiet is a hub in memory that lets so many into one room.
func quiet(t *testing.T, participants int) *flow.Hub {
	t.Helper()
	hub, err := flow.New(flow.Config{
		Log: memx.NewLog(memx.LogConfig{}), Bus: memx.NewBus(), Sessions: memx.NewSessionStore(memx.SessionConfig{}),
		Logger: slog.New(slog.DiscardHandler), Limits: flow.Limits{Participants: participants},
		Quotas: flow.Quotas{RoomJoinsPerSecond: participants},
	})
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

// join has a user of its own join one of so many rooms.
func join(t *testing.T, hub *flow.Hub, i, rooms int) *flow.Conn {
	t.Helper()
	user := &flow.User{ID: fmt.Sprint("user-", i)}
	conn, err := hub.Connect(&countedSocket{counts: &counts{}}, flow.Client{User: user})
	if err != nil {
		t.Error(err)
		return nil
	}
	conn.Receive(fmt.Appendf(nil, `{"type":"join","id":"j","room":"room-%d"}`, i%rooms))
	return conn
}

// grown returns what each of so many sessions in so many rooms takes. No socket, no transport and no kernel
// is in it, and nothing that is under way: the clock is synctest's.
func grown(t *testing.T, sessions, rooms int) (taken float64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub := quiet(t, sessions)
		first := join(t, hub, 0, rooms) // what a hub needs once
		pass(time.Second)
		before := inUse()
		conns := make([]*flow.Conn, sessions)
		var joining sync.WaitGroup
		for worker := range 64 { // opening a room waits for its subscriptions
			joining.Go(func() {
				for i := worker; i < sessions; i += 64 {
					conns[i] = join(t, hub, i, rooms)
				}
			})
		}
		joining.Wait()
		pass(time.Second)
		if joined := hub.Stats().Sessions; joined != int64(sessions+1) {
			t.Errorf("%d sessions, want %d", joined, sessions+1)
		}
		taken = (inUse() - before) / float64(sessions)
		first.Done()
		for _, conn := range conns {
			conn.Done()
		}
		if err := hub.Close(t.Context()); err != nil {
			t.Errorf("close hub: %v", err)
		}
	})
	return taken
}

// A session that is idle takes some kilobytes beside its socket, and a room for itself some more; neither
// grows with how many there are (I9). Not parallel: other tests would be measured too.
func TestMemory(t *testing.T) {
	const sessions = 2000
	shared := grown(t, sessions, sessions/50)
	alone := grown(t, sessions, sessions)
	twice := grown(t, 2*sessions, 2*sessions)
	t.Logf("a session in a room of 50: %.0f bytes; in a room of its own: %.0f, of twice as many: %.0f",
		shared, alone, twice)
	if shared > 12<<10 || alone-shared > 8<<10 {
		t.Errorf("a session takes %.0f bytes and a room %.0f more, want at most 12 and 8 KiB", shared, alone-shared)
	}
	if twice > 1.3*alone {
		t.Errorf("with twice as many rooms each takes %.0f bytes, after %.0f", twice, alone)
	}
}
