package outage_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/redistest"
)

// failover is a master and a replica that take turns, two instances before them, and one room.
type failover struct {
	*world

	set         *redistest.Sentinels
	first, then *redis.Client // of the master and of the replica, as they begin
}

func newFailover(t *testing.T) *failover {
	t.Helper()
	set := redistest.StartSentinel(t)
	f := &failover{
		world: newRoom(t, "plan", set.Master), set: set, first: set.Master.Client(t), then: set.Replica.Client(t),
	}
	for range 2 {
		f.attach(startInstance(t, environment(set.Master.Addr(), map[string]string{
			"REDIS_MODE": "sentinel", "REDIS_ADDRS": strings.Join(set.Addrs, ","), "REDIS_MASTER_NAME": set.Name,
		})))
	}
	f.people(2)
	f.write(10)
	return f
}

// role returns what a server takes itself for, and whom it follows.
func (f *failover) role(c *redis.Client) (role, of string) {
	f.t.Helper()
	info, err := c.InfoMap(f.t.Context(), "replication").Result()
	if err != nil {
		return "", ""
	}
	r := info["Replication"]
	return r["role"], net.JoinHostPort(r["master_host"], r["master_port"])
}

// takenOver waits until the replica is the master, and everybody works with it.
func (f *failover) takenOver() {
	f.t.Helper()
	f.every("was told", func(m *model) bool { return slices.Contains(m.states, "degraded") })
	f.eventually("the replica is the master", func() bool {
		role, _ := f.role(f.then)
		return role == "master"
	})
	f.live()
	f.write(10)
	f.every("was told that all is well", func(m *model) bool { return m.state == "live" })
}

// detach has the replica lose its master, which goes on without it, until the next time it is told whom
// to follow.
func (f *failover) detach() {
	f.t.Helper()
	f.must(f.then.ConfigSet(f.t.Context(), "masterauth", "wrong").Err())
	f.must(f.first.Do(f.t.Context(), "client", "kill", "type", "replica").Err())
}

// The master dies with operations that were confirmed, and that its replica has never seen. The rings have
// them: they are on the new master at the same place, and nobody notices more than the failover. I1, I2,
// I3, I14
func TestFailover_masterKilled(t *testing.T) {
	t.Parallel()
	f := newFailover(t)
	stop := f.watch()
	f.detach()
	f.write(10)
	if lag := f.head(f.first) - f.head(f.then); lag < 10 {
		t.Fatalf("the replica lacks %d operations, want all that were written last", lag)
	}
	f.set.Master.Kill(t)
	f.takenOver()
	stop()
	f.finish()
	f.noRewind()
	f.noLoss()
	if head := f.head(f.then); head < len(f.ledger.entries) {
		t.Errorf("the new master is at %d, %d operations were sent", head, len(f.ledger.entries))
	}
}

// The master hangs, its replica takes over, and the old one goes on: for seconds it takes itself for the
// master still, executes what it was sent before, and then is a replica that refuses to write. Nobody
// believes it. I1, I2, I3, I11, I14
func TestFailover_masterFrozen(t *testing.T) {
	t.Parallel()
	f := newFailover(t)
	stop := f.watch()
	f.set.Master.Pause(t)
	f.takenOver()
	f.set.Master.Resume(t)
	f.write(10)
	f.eventually("the old master follows the new one", func() bool {
		role, of := f.role(f.first)
		return role == "slave" && of == f.set.Replica.Addr()
	})
	f.write(10)
	stop()
	f.finish()
	f.noRewind()
	f.noLoss()
}

// head returns the last seq of the room's log on a server.
func (f *failover) head(c *redis.Client) int {
	f.t.Helper()
	head, err := c.HGet(f.t.Context(), headKey, "seq").Int()
	f.must(err)
	return head
}
