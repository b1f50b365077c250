package redisx_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// reader follows a room as an instance does: it takes what is fed, and reads the log after a gap.
type reader struct {
	log  flow.Log
	room string

	mu   sync.Mutex
	gaps int
	at   flow.Position
}

func follow(t *testing.T, l flow.Log, room string) *reader {
	t.Helper()
	r := &reader{log: l, room: room}
	t.Cleanup(l.Follow(room, func(feed flow.Feed) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if feed.Gap {
			r.gaps++
		}
		for _, o := range feed.Operations {
			if o.Follows(r.at) {
				r.at = o.Position()
			}
		}
	}))
	eventually(t, "the subscription stands", func() bool { return r.gapsTold() > 0 })
	return r
}

func (r *reader) gapsTold() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gaps
}

func (r *reader) position() flow.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// catchUp reads what the feeds did not bring.
func (r *reader) catchUp(t *testing.T) {
	t.Helper()
	page, err := r.log.Read(t.Context(), r.room, flow.Query{After: r.position(), Limit: 1000})
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range page.Operations {
		if o.Follows(r.at) {
			r.at = o.Position()
		}
	}
}

// When the server ends a subscriber's connection, its followers are told of a gap once it stands
// again; with a read after that nothing is lost, and the feed goes on (I2).
func TestFeed_Killed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var log journal
	config := redisx.Config{Addrs: []string{server.Addr()}, Logger: log.logger()}
	conn := open(t, config)
	ordering, bus := redisx.NewLog(conn), redisx.NewBus(conn)
	r := follow(t, ordering, "room")
	gaps := make(chan struct{}, 100)
	t.Cleanup(bus.Subscribe("topic", func(d flow.Delivery) {
		if d.Gap {
			gaps <- struct{}{}
		}
	}))
	<-gaps
	client := server.Client(t)
	var head flow.Position
	for round := range 3 {
		before := r.gapsTold()
		killed, err := client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result()
		if err != nil || killed != 2 {
			t.Fatalf("killed %d connections, %v, want those of log and bus", killed, err)
		}
		for range 5 {
			head = confirm(t, ordering, "room", "a", head.Seq+1)
		}
		eventually(t, "a gap is told", func() bool { return r.gapsTold() > before })
		<-gaps
		r.catchUp(t)
		head = confirm(t, ordering, "room", "a", head.Seq+1)
		eventually(t, fmt.Sprintf("round %d is complete", round), func() bool { return r.position() == head })
	}
	eventuallyIs(t, bus, flow.Live)
	if h := conn.Health(); h.State != flow.Live {
		t.Errorf("Health = %+v: commands have worked all the time", h)
	}
	if n := log.count("subscription lost", "subsystem=ordering"); n != 3 {
		t.Errorf("%d lines about lost subscriptions, want one for each of 3:\n%s", n, &log)
	}
}

// A subscriber's connection that is dead without being closed is noticed by its own heartbeat and
// replaced, while commands go on working (I11).
func TestFeed_HalfOpen(t *testing.T) {
	t.Parallel()
	proxy := redistest.StartProxy(t, shared.Server(t).Addr())
	conn := open(t, redisx.Config{Addrs: []string{proxy.Addr()}})
	ordering, bus := redisx.NewLog(conn), redisx.NewBus(conn)
	r := follow(t, ordering, "room")
	told := make(chan flow.Delivery, 100)
	t.Cleanup(bus.Subscribe("topic", func(d flow.Delivery) { told <- d }))
	<-told
	if n := proxy.SilenceSubscribers(); n != 2 {
		t.Fatalf("silenced %d connections, want 2", n)
	}
	before := r.gapsTold()
	var head flow.Position
	for n := uint64(1); n <= 10; n++ {
		head = confirm(t, ordering, "room", "a", n)
	}
	eventually(t, "a gap is told", func() bool { return r.gapsTold() > before })
	r.catchUp(t)
	if r.position() != head {
		t.Errorf("at %v after the gap, want %v", r.position(), head)
	}
	head = confirm(t, ordering, "room", "a", 11)
	eventually(t, "the feed goes on", func() bool { return r.position() == head })
	if d := <-told; !d.Gap {
		t.Errorf("the bus tells %q, want a gap", d.Payload)
	}
	eventuallyIs(t, bus, flow.Live)
	if h := ordering.Health(""); h.State != flow.Live {
		t.Errorf("Health = %+v: commands have worked all the time", h)
	}
}

// Who follows while Redis is away is told of the gap when it comes, and of one more after each outage;
// in between, messages arrive.
func TestFeed_Outage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop(t)
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}})
	bus := redisx.NewBus(conn)
	told := make(chan flow.Delivery, 1000)
	t.Cleanup(bus.Subscribe("topic", func(d flow.Delivery) { told <- d }))
	for range 2 {
		server.Restart(t)
		if d := <-told; !d.Gap {
			t.Fatalf("told %q before a gap", d.Payload)
		}
		eventually(t, "something is published", func() bool {
			return bus.Publish(t.Context(), "topic", []byte("x")) == nil
		})
		for d := range told {
			if bytes.Equal(d.Payload, []byte("x")) {
				break
			}
		}
		server.Kill(t)
		eventuallyIs(t, bus, flow.Degraded)
	}
}

// What is published on a room's channel and is no feed is ignored, and what is not this room's does
// not reach it (I6).
func TestFeed_Garbage(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	ordering := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	r := follow(t, ordering, "room")
	start := "ops 0 0000000000000000 "
	for _, garbage := range []string{"", "x", "ops", start + "1\n", start + "1000000\nx"} {
		if err := client.Publish(t.Context(), prefix+":{room}:feed", garbage).Err(); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	confirm(t, ordering, "room2", "a", 1)
	head := confirm(t, ordering, "room", "a", 1)
	eventually(t, "the feed goes on", func() bool { return r.position() == head })
}

// A thousand rooms are followed and left, and the server is told so.
func TestFeed_ManyRooms(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	ordering := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	channels := func() int {
		return len(client.PubSubChannels(t.Context(), prefix+":{room-*").Val())
	}
	const rooms = 1000
	var standing sync.WaitGroup
	stops := make([]func(), rooms)
	for i := range rooms {
		standing.Add(1)
		once := sync.OnceFunc(standing.Done)
		stops[i] = ordering.Follow(fmt.Sprintf("room-%d", i), func(flow.Feed) { once() })
	}
	standing.Wait()
	if n := channels(); n != rooms {
		t.Errorf("subscribed to %d channels, want %d", n, rooms)
	}
	for _, stop := range stops {
		stop()
	}
	eventually(t, "nothing is subscribed", func() bool { return channels() == 0 })
}
