package redisx_test

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// A master that became a replica answers on all connections that were opened to it. They are given up
// together, so the subsystems go on with the new master at once and for good, and all that was confirmed
// is there (I1).
func TestFault_Failover(t *testing.T) {
	t.Parallel()
	one, other := redistest.Start(t), redistest.Start(t, redistest.Set("repl-diskless-sync-delay", "0"))
	address := newAddress(one.Addr())
	client := redis.NewClient(&redis.Options{Dialer: address.dial, PoolSize: 20, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	prefix := redistest.Prefix(t)
	i := newInstance(t, redisx.Config{Client: client, Prefix: prefix})
	fillPool(t, client)

	replicate(t, other, one)
	eventually(t, "the replica has what was confirmed", func() bool {
		info, err := other.Client(t).InfoMap(t.Context(), "replication").Result()
		return err == nil && info["Replication"]["master_link_status"] == "up"
	})
	send([]any{"replicaof", "no", "one"})(t, other)
	address.lead(other.Addr())
	replicate(t, one, other)

	// One that is late may find that others have given up the connections before it noticed anything.
	eventually(t, "the log and the sessions are back", func() bool {
		errs := i.use()
		return errs[collaboration] == nil && errs[ordering] == nil
	})
	for range 40 {
		for name, err := range i.use() {
			if err != nil {
				t.Fatalf("%s after the return: %v", name, err)
			}
		}
	}
	head := other.Client(t).HGet(t.Context(), prefix+":{room}:head", "seq").Val()
	if want := strconv.FormatUint(i.n-1, 10); head != want {
		t.Errorf("the log of the new master ends at %q, want %s", head, want)
	}
	for _, name := range []string{collaboration, websockets, ordering} {
		if n := i.lines.count("redis is away", "subsystem="+name); n > 1 {
			t.Errorf("%d lines that %s is away, want one:\n%s", n, name, &i.lines)
		}
	}
	heard := subscribed(t, redisx.NewBus(open(t, redisx.Config{Addrs: []string{other.Addr()}, Prefix: prefix})))
	eventually(t, "what is published gets to the new master", func() bool {
		i.use()
		select {
		case <-heard:
			return true
		default:
			return false
		}
	})
}

// subscribed returns where messages on the topic are told of.
func subscribed(t *testing.T, b flow.Bus) <-chan struct{} {
	t.Helper()
	heard := make(chan struct{}, 1)
	t.Cleanup(b.Subscribe("topic", func(d flow.Delivery) {
		if !d.Gap {
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}))
	return heard
}

// fillPool has the client open many connections.
func fillPool(t *testing.T, client *redis.Client) {
	t.Helper()
	const connections = 12
	var open []*redis.Conn
	for range connections {
		conn := client.Conn() // of its own until it is closed
		if err := conn.Ping(t.Context()).Err(); err != nil {
			t.Fatalf("Ping: %v", err)
		}
		open = append(open, conn)
	}
	for _, conn := range open {
		if err := conn.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if n := client.PoolStats().IdleConns; n < connections {
		t.Errorf("%d idle connections, want %d", n, connections)
	}
}

func replicate(t *testing.T, replica, master *redistest.Server) {
	t.Helper()
	host, port, err := net.SplitHostPort(master.Addr())
	if err != nil {
		t.Fatalf("address %q: %v", master.Addr(), err)
	}
	send([]any{"replicaof", host, port})(t, replica)
}

// address is where a name leads to, as in a service whose name moves to the new master.
type address struct{ now atomic.Pointer[string] }

func newAddress(addr string) *address {
	a := &address{}
	a.lead(addr)
	return a
}

func (a *address) lead(addr string) { a.now.Store(&addr) }

func (a *address) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, *a.now.Load())
}
