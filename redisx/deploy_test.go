package redisx_test

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// All three subsystems work over a Redis Cluster: rooms on all its nodes, with their feeds, and lists
// that span nodes (I2).
func TestDeploy_Cluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	config := redisx.Config{Mode: redisx.Cluster, Prefix: redistest.Prefix(t)}
	for _, n := range nodes {
		config.Addrs = append(config.Addrs, n.Addr())
	}
	checkSubsystems(t, open(t, config), open(t, config))
	used := 0
	for _, n := range nodes {
		if len(keysOf(t, n.Client(t), config.Prefix)) > 0 {
			used++
		}
	}
	if used != len(nodes) {
		t.Errorf("keys on %d nodes, want all %d", used, len(nodes))
	}

	// A client for one server that meets a node of a Cluster says so.
	var log journal
	for _, n := range nodes { // the key of the probe is on one of them
		open(t, redisx.Config{Addrs: []string{n.Addr()}, Prefix: "flow", Logger: log.logger()})
	}
	if n := log.count("level=ERROR", "belongs to a cluster"); n != len(nodes)-1 {
		t.Errorf("%d loud lines, want %d:\n%s", n, len(nodes)-1, &log)
	}
}

// Through Sentinel the subsystems work on the master, and go on with the same log on the one that takes
// its place (I1).
func TestDeploy_Sentinel(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinel(t)
	config := redisx.Config{
		Mode: redisx.Sentinel, Addrs: set.Addrs, MasterName: set.Name, Prefix: redistest.Prefix(t),
	}
	one, other := open(t, config), open(t, config)
	checkSubsystems(t, one, other)
	ordering := redisx.NewLog(one)
	head := confirm(t, ordering, "failover", "a", 1)
	replica := set.Replica.Client(t)
	eventually(t, "the replica has the operation", func() bool {
		return replica.HGet(t.Context(), config.Prefix+":{failover}:head", "hash").Val() == head.Hash.String()
	})

	set.Master.Kill(t)
	batch := flow.Batch{Fence: head, Operations: []flow.Operation{op("a", 2)}}
	eventually(t, "the new master takes operations", func() bool {
		answers, err := ordering.Append(t.Context(), "failover", batch)
		return err == nil && answers[0].Last == 2
	})
	eventuallyIs(t, other, flow.Live)
}

// TLS, a user of its own and a database other than 0 are used for commands and subscriptions alike.
func TestDeploy_TLS(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.TLS(), redistest.User("flow", "pw"))
	config := redisx.Config{
		Addrs: []string{server.Addr()}, Prefix: redistest.Prefix(t),
		TLS: server.TLS(), Username: "flow", Password: "pw", DB: 3,
	}
	checkSubsystems(t, open(t, config), open(t, config))
}

// Where TLS is missing on one side, or nobody vouches for the server, the connection is degraded, and
// loud about what it can know.
func TestDeploy_TLSMismatch(t *testing.T) {
	t.Parallel()
	server, plain := redistest.Start(t, redistest.TLS()), redistest.Start(t)
	for _, c := range []struct {
		name   string
		config redisx.Config
		loud   int
		says   string
	}{
		// Redis hangs up, or waits for the end of what it takes for a command: no reason to be told.
		{"plain text to TLS", redisx.Config{Addrs: []string{server.Addr()}}, 0, ""},
		{"TLS to plain text", redisx.Config{
			Addrs: []string{plain.Addr()}, TLS: server.TLS(), Timeout: 500 * time.Millisecond,
		}, 0, ""},
		{"unknown authority", redisx.Config{
			Addrs: []string{server.Addr()}, TLS: &tls.Config{MinVersion: tls.VersionTLS12},
		}, 1, "x509"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log journal
			c.config.Logger = log.logger()
			conn := open(t, c.config)
			if h := conn.Health(); h.State != flow.Degraded {
				t.Errorf("Health = %+v, want degraded", h)
			}
			if n := log.count("level=ERROR", c.says); n != c.loud {
				t.Errorf("%d loud lines with %q, want %d:\n%s", n, c.says, c.loud, &log)
			}
		})
	}
}

// checkSubsystems does with two connections what two instances do.
func checkSubsystems(t *testing.T, one, other *redisx.Conn) {
	t.Helper()
	writer, ordering := redisx.NewLog(one), redisx.NewLog(other)
	var rooms []string
	for i := range 8 {
		room := fmt.Sprintf("room-%d", i)
		rooms = append(rooms, room)
		r := follow(t, ordering, room)
		confirm(t, writer, room, "a", 1)
		head := confirm(t, writer, room, "a", 2)
		eventually(t, room+" arrives by its feed", func() bool { return r.position() == head })
		save(t, writer, room, head)
		page, err := ordering.Read(t.Context(), room, flow.Query{Limit: 10, Sessions: []string{"a"}})
		if err != nil || len(page.Operations) != 2 || page.Head != head || page.Last["a"] != 2 ||
			page.Snapshot != head {
			t.Errorf("Read of %s = %+v, %v", room, page, err)
		}
		if s, err := ordering.Snapshot(t.Context(), room); err != nil || s.Position != head {
			t.Errorf("Snapshot of %s = %+v, %v", room, s, err)
		}
	}
	checkBus(t, redisx.NewBus(one), redisx.NewBus(other))
	checkSessions(t, redisx.NewSessionStore(one), redisx.NewSessionStore(other), rooms)
	if secret, err := redisx.SharedSecret(t.Context(), one, []byte("s")); err != nil || string(secret) != "s" {
		t.Errorf("SharedSecret = %q, %v", secret, err)
	}
}

// checkBus: what one publishes the other hears in its order.
func checkBus(t *testing.T, one, other flow.Bus) {
	t.Helper()
	told := make(chan flow.Delivery, 200)
	t.Cleanup(other.Subscribe("topic", func(d flow.Delivery) { told <- d }))
	if d := <-told; !d.Gap {
		t.Errorf("told %q before a gap", d.Payload)
	}
	for i := range 100 {
		if err := one.Publish(t.Context(), "topic", fmt.Append(nil, i)); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	for i := range 100 {
		if d := <-told; string(d.Payload) != fmt.Sprint(i) {
			t.Fatalf("told %q, want %d", d.Payload, i)
		}
	}
}

// checkSessions: what one puts the other lists, and when all have left nothing is listed (I7).
func checkSessions(t *testing.T, one, other flow.SessionStore, rooms []string) {
	t.Helper()
	var ids []string
	for i, room := range rooms {
		s := flow.Session{ID: fmt.Sprint("s", i), Room: room, User: flow.User{ID: "u"}, Instance: "i"}
		ids = append(ids, s.ID)
		if err := one.Put(t.Context(), s); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	lost, err := one.Touch(t.Context(), "i", append(ids, "unknown"))
	if err != nil || !slices.Equal(lost, []string{"unknown"}) {
		t.Errorf("Touch = %v, %v", lost, err)
	}
	list, err := other.List(t.Context(), flow.SessionQuery{User: "u", Limit: 100})
	if err != nil || len(list) != len(ids) {
		t.Errorf("List = %+v, %v", list, err)
	}
	got, err := other.Rooms(t.Context(), "", 100)
	if err != nil || !slices.Equal(got, rooms) {
		t.Errorf("Rooms = %v, %v", got, err)
	}
	for _, id := range ids {
		if err := other.Delete(t.Context(), id); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if got, err := one.Rooms(t.Context(), "", 100); err != nil || len(got) != 0 {
		t.Errorf("Rooms after Delete = %v, %v", got, err)
	}
}
