package outage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/redistest"
)

// clusterTimeout is when a node counts as away. On a machine with nothing else to do the default is enough for a node
// that works, of which nobody may be told anything.
const clusterTimeout = 4 * time.Second

// cluster is a Redis Cluster with a room on each node, and two instances before it that all rooms share.
type cluster struct {
	t     *testing.T
	nodes []*redistest.Server
	asked *redis.Client // where keys are
	// dead is the world of the room on the node that fails. Of the other rooms the first has its topic of the
	// bus on that node.
	dead   *world
	others []*world
}

// newCluster starts everything; the node that fails is the one with the topic of all instances, or not.
func newCluster(t *testing.T, withControl bool) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: redistest.StartCluster(t, redistest.AppendOnly(),
		// A process that is killed loses nothing that it wrote, and a disk that is slow looks like an outage.
		redistest.Set("appendfsync", "no"), redistest.Set("cluster-require-full-coverage", "no"))}
	c.asked = c.nodes[0].Client(t)
	dead := c.nodeOf("flow:bus:hub")
	if !withControl {
		dead = (dead + 1) % len(c.nodes)
	}
	one, two := (dead+1)%len(c.nodes), (dead+2)%len(c.nodes)
	c.dead = newRoom(t, c.roomOn(dead, one), c.nodes[dead])
	c.others = []*world{
		newRoom(t, c.roomOn(one, dead), c.nodes[one]), newRoom(t, c.roomOn(two, two), c.nodes[two]),
	}
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.Addr())
	}
	for range 2 {
		i := startInstance(t, environment(addrs[one], map[string]string{
			"REDIS_MODE": "cluster", "REDIS_ADDRS": strings.Join(addrs, ","),
			"REDIS_TIMEOUT": clusterTimeout.String(),
		}))
		for _, w := range c.rooms() {
			w.attach(i)
		}
	}
	for kind := range c.dead.ledger.deadline { // what was under way when the node fell silent
		c.dead.ledger.deadline[kind] += clusterTimeout
	}
	return c
}

func (c *cluster) rooms() []*world { return append([]*world{c.dead}, c.others...) }

// roomOn returns the name of a room with its log on one node, and its topic of the bus on another.
func (c *cluster) roomOn(log, bus int) string {
	c.t.Helper()
	for i := 0; ; i++ {
		room := fmt.Sprint("room-", i)
		if c.nodeOf("flow:{"+room+"}:head") == log && c.nodeOf("flow:bus:room."+room) == bus {
			return room
		}
	}
}

// nodeOf returns which node a key is on.
func (c *cluster) nodeOf(key string) int {
	c.t.Helper()
	slot, err := c.asked.ClusterKeySlot(c.t.Context(), key).Result()
	if err != nil {
		c.t.Fatalf("slot of %s: %v", key, err)
	}
	return int(slot) * len(c.nodes) / 16384
}

// TestCluster takes one node of three away. The rooms of the others go on as if nothing had happened, and
// their members are told nothing; those of the node wait for it, as all do that lose their Redis. I1, I2,
// I3, I8, I14
func TestCluster(t *testing.T) {
	for _, s := range []struct {
		name        string
		withControl bool // the node has the topic of all instances
		breaks      func(w *world) (mend func())
	}{
		{"killed and back with its data", true, killed},
		{"killed and back empty", false, func(w *world) func() {
			w.redis.Kill(w.t)
			return func() { w.redis.RestartEmpty(w.t) }
		}},
		{"frozen", true, frozen},
	} {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, s.withControl)
			for _, w := range c.rooms() {
				w.people(1)
				w.write(5)
			}
			stop := c.dead.watch()
			mend := s.breaks(c.dead)
			c.outage()
			mend()
			c.dead.live()
			for _, w := range c.rooms() {
				w.write(10)
				w.every("was told that all is well", func(m *model) bool { return m.state == "live" })
			}
			stop()
			for _, w := range c.rooms() {
				w.finish()
				w.noRewind()
			}
			c.dead.noLoss()
			c.untouched()
		})
	}
}

// outage checks what everybody has and is told while the node is away.
func (c *cluster) outage() {
	c.t.Helper()
	w, told := c.dead, c.dead.room+"degraded"
	w.every("was told of the room", func(m *model) bool { return slices.Contains(m.states, told) })
	w.queued(5)
	for _, i := range w.all() {
		w.eventually("the instance tells of its log", func() bool {
			h, err := w.health(i)
			return err == nil && h.Status == "degraded" && h.Subsystems["ordering"].State == "degraded"
		})
	}
	for _, w := range c.rooms() {
		back := w.clients[0]
		back.do(func(*model) { back.hangUp() })
		newcomer := w.open("new", 1)
		w.clients = append(w.clients, newcomer)
		w.every("has joined", func(m *model) bool { return m.joined })
		newcomer.write(writePace)
	}
	for _, w := range c.others {
		w.write(20)
	}
	w.eventually("operations of the newcomer are queued", func() bool {
		return w.clients[len(w.clients)-1].is(func(m *model) bool { return len(m.pending) > 3 && m.pending[2].queued })
	})
	w.every("knows of the outage", func(m *model) bool { return m.state == "degraded" })
	if w.ledger.read(&w.ledger.shown) == 0 {
		c.t.Error("nobody was shown a tentative operation")
	}
}

// untouched checks that nobody in the rooms of the other nodes was told of anything.
func (c *cluster) untouched() {
	c.t.Helper()
	for _, w := range c.others {
		for _, client := range w.clients {
			client.do(func(m *model) {
				if len(m.states) > 0 || m.troubled {
					c.t.Errorf("%s in %s was told of states %v", m.name, w.room, m.states)
				}
			})
		}
	}
	for _, client := range c.dead.clients {
		client.do(func(m *model) {
			for _, s := range m.states {
				if !strings.HasPrefix(s, c.dead.room) {
					c.t.Errorf("%s was told of %s of the whole instance", m.name, s)
				}
			}
		})
	}
}
