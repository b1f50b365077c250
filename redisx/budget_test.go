package redisx_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// counter counts what a client sends, and how much of that is about a room.
type counter struct {
	commands, trips, ofRoom atomic.Int64
}

// count adds commands that go in one round trip.
func (c *counter) count(commands ...redis.Cmder) {
	c.trips.Add(1)
	c.commands.Add(int64(len(commands)))
	for _, cmd := range commands {
		if strings.Contains(fmt.Sprint(cmd.Args()...), "{room}") {
			c.ofRoom.Add(1)
		}
	}
}

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.count(cmd)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.count(cmds...)
		return next(ctx, cmds)
	}
}

// counted returns a connection over a client whose commands are counted.
func counted(t *testing.T, addr, prefix string) (*redisx.Conn, *counter) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	count := &counter{}
	client.AddHook(count)
	return open(t, redisx.Config{Client: client, Prefix: prefix}), count
}

// One operation at a time costs one command over all instances that follow the room, and a batch costs
// one for all of its operations (I13).
func TestBudget_Operation(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	prefix := redistest.Prefix(t)
	one, sent := counted(t, server.Addr(), prefix)
	other, heard := counted(t, server.Addr(), prefix)
	writer := redisx.NewLog(one)
	near, far := follow(t, writer, "room"), follow(t, redisx.NewLog(other), "room")
	head := confirm(t, writer, "room", "a", 1) // the script is loaded now
	eventually(t, "both are in step", func() bool { return near.position() == head && far.position() == head })

	const operations = 500
	before := sent.ofRoom.Load() + heard.ofRoom.Load() // how many heartbeats there are depends on the machine
	inside := calls(t, server.Client(t))
	for n := uint64(2); n < operations+2; n++ {
		head = confirm(t, writer, "room", "a", n)
	}
	eventually(t, "both are in step", func() bool { return near.position() == head && far.position() == head })
	cost := float64(sent.ofRoom.Load()+heard.ofRoom.Load()-before) / operations
	t.Logf("%.3f commands for an operation", cost)
	for name, n := range calls(t, server.Client(t)) {
		if each := float64(n-inside[name]) / operations; each > 0.1 {
			t.Logf("%6.2f %s for an operation, scripts' own calls included", each, name)
		}
	}
	if cost > 1.1 {
		t.Errorf("%.3f commands for an operation, want 1", cost)
	}

	batch := flow.Batch{}
	for n := uint64(1); n <= 32; n++ {
		batch.Operations = append(batch.Operations, op("b", n))
	}
	before = sent.ofRoom.Load()
	if _, err := writer.Append(t.Context(), "room", batch); err != nil {
		t.Fatalf("Append: %v", err)
	}
	if n := sent.ofRoom.Load() - before; n != 1 {
		t.Errorf("%d commands for a batch, want 1", n)
	}
}

// An instance with open rooms and nothing to do sends at most five commands a second, with the touch
// of its sessions (I13).
func TestBudget_Idle(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	conn, sent := counted(t, server.Addr(), redistest.Prefix(t))
	follow(t, redisx.NewLog(conn), "room")
	standing := make(chan struct{}, 1)
	t.Cleanup(redisx.NewBus(conn).Subscribe("topic", func(flow.Delivery) { standing <- struct{}{} }))
	<-standing
	sessions := redisx.NewSessionStore(conn)
	ids := []string{"a", "b", "c"}
	for _, id := range ids {
		if err := sessions.Put(t.Context(), session(id, "room", id)); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	before, began := sent.commands.Load(), time.Now()
	touch := time.NewTicker(time.Second)
	defer touch.Stop()
	for range 3 {
		<-touch.C
		if lost, err := sessions.Touch(t.Context(), "i", ids); err != nil || len(lost) > 0 {
			t.Fatalf("Touch = %v, %v", lost, err)
		}
	}
	rate := float64(sent.commands.Load()-before) / time.Since(began).Seconds()
	t.Logf("%.2f commands a second", rate)
	if rate > 5 {
		t.Errorf("%.2f commands a second, want at most 5", rate)
	}
}
