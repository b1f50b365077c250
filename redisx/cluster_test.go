package redisx_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// clusterTimeout is longer than a busy machine takes for a call, and short enough to be waited for.
const clusterTimeout = 2 * time.Second

// roomsOf returns a room, and a topic, of each node of a Cluster.
func roomsOf(t *testing.T, nodes []*redistest.Server, prefix string) (rooms, topics map[*redistest.Server]string) {
	t.Helper()
	rooms, topics = map[*redistest.Server]string{}, map[*redistest.Server]string{}
	client := nodes[0].Client(t)
	nodeOf := func(key string) *redistest.Server {
		slot, err := client.ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Fatalf("slot of %s: %v", key, err)
		}
		return nodes[int(slot)*len(nodes)/16384]
	}
	for i := 0; len(rooms) < len(nodes) || len(topics) < len(nodes); i++ {
		room := fmt.Sprint("room-", i)
		rooms[nodeOf("{"+room+"}")] = room
		topics[nodeOf(prefix+":bus:"+room)] = room
	}
	return rooms, topics
}

// A node of a Cluster that is dead or hangs takes its own rooms and topics with it and no others: those go
// on without a pause, and it is told once which node is away. Sessions need all nodes (I8).
func TestCluster_DeadNode(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		begin, end func(s *redistest.Server, t testing.TB)
	}{
		"killed": {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"hung":   {(*redistest.Server).Pause, (*redistest.Server).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := redistest.StartCluster(t)
			config := redisx.Config{Mode: redisx.Cluster, Prefix: "flow", Timeout: clusterTimeout}
			for _, n := range nodes {
				config.Addrs = append(config.Addrs, n.Addr())
				set("cluster-require-full-coverage", "no", "")(t, n)
			}
			c := &clustered{T: t, n: map[string]uint64{}}
			c.rooms, c.topics = roomsOf(t, nodes, config.Prefix)
			config.Logger = c.lines.logger()
			conn := open(t, config)
			c.sessions, c.bus, c.log = redisx.NewSessionStore(conn), redisx.NewBus(conn), redisx.NewLog(conn)
			for _, n := range nodes {
				eventually(t, "it takes operations", func() bool { return c.append(n) == nil })
			}

			dead := nodes[2]
			fault.begin(dead, t)
			c.wantOnly(dead, nodes)
			fault.end(dead, t)
			c.wantAll(dead, nodes)
		})
	}
}

// clustered is an instance on a Cluster.
type clustered struct {
	*testing.T

	sessions      *redisx.SessionStore
	bus           *redisx.Bus
	log           *redisx.Log
	rooms, topics map[*redistest.Server]string
	n             map[string]uint64 // the last confirmed of each room
	lines         journal
}

// append appends the next operation to the room of a node; after a node lost its data, the first one.
func (c *clustered) append(node *redistest.Server) error {
	room := c.rooms[node]
	answers, err := c.log.Append(c.Context(), room, flow.Batch{Operations: []flow.Operation{op("a", c.n[room]+1)}})
	if err == nil {
		c.n[room] = answers[0].Last
	}
	return err
}

func (c *clustered) wantOnly(dead *redistest.Server, nodes []*redistest.Server) {
	c.Helper()
	eventually(c, "the dead node is noticed by all", func() bool {
		wantCode(c, c.append(dead), flow.CodeUnavailable)
		wantCode(c, c.bus.Publish(c.Context(), c.topics[dead], nil), flow.CodeUnavailable)
		_, _ = c.sessions.Touch(c.Context(), "i", nil)
		return c.sessions.Health().State == flow.Degraded && c.bus.Health().State == flow.Degraded
	})
	began := time.Now()
	for range 50 {
		for _, n := range nodes {
			err := c.append(n)
			if n == dead {
				wantCode(c, err, flow.CodeUnavailable)
				continue
			}
			if err != nil {
				c.Fatalf("Append on %s: %v", n.Addr(), err)
			}
			if err := c.bus.Publish(c.Context(), c.topics[n], nil); err != nil {
				c.Fatalf("Publish on %s: %v", n.Addr(), err)
			}
		}
	}
	if took := time.Since(began); took > 50*clusterTimeout/2 { // half of what 50 that wait had taken
		c.Errorf("150 appends took %v", took)
	}
	for _, n := range nodes {
		h := c.log.Health(c.rooms[n])
		if (h.State == flow.Degraded) != (n == dead) || h.Address != n.Addr() || h.Partial {
			c.Errorf("Health of a room on %s = %+v", n.Addr(), h)
		}
	}
	for name, h := range map[string]flow.Health{ordering: c.log.Health(""), websockets: c.bus.Health()} {
		if h.State != flow.Degraded || !h.Partial || h.Address != dead.Addr() {
			c.Errorf("Health of %s = %+v, want a part of it degraded", name, h)
		}
		if n := c.lines.count("redis is away", "subsystem="+name, "addr="+dead.Addr()); n != 1 {
			c.Errorf("%d lines about %s, want 1:\n%s", n, name, &c.lines)
		}
	}
	if n := c.lines.count("redis is away"); n != 3 {
		c.Errorf("%d lines that it is away, want 3:\n%s", n, &c.lines)
	}
}

func (c *clustered) wantAll(dead *redistest.Server, nodes []*redistest.Server) {
	c.Helper()
	c.n[c.rooms[dead]] = 0 // it has no file
	eventually(c, "the node serves again", func() bool {
		return c.append(dead) == nil && c.sessions.Health().State == flow.Live &&
			c.log.Health("").State == flow.Live && c.bus.Health().State == flow.Live
	})
	for _, n := range nodes {
		if err := c.append(n); err != nil {
			c.Errorf("Append on %s: %v", n.Addr(), err)
		}
		if err := c.bus.Publish(c.Context(), c.topics[n], nil); err != nil {
			c.Errorf("Publish on %s: %v", n.Addr(), err)
		}
	}
	if n := c.lines.count("redis is back"); n != 3 {
		c.Errorf("%d lines that it is back, want 3:\n%s", n, &c.lines)
	}
}
