package redistest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Sentinels is a master with one replica, watched by one Sentinel with a quorum of one.
type Sentinels struct {
	Master, Replica *Server
	Name            string   // of the master
	Addrs           []string // of the Sentinel
}

// StartSentinel runs a master, a replica and a Sentinel until the test ends, and returns when the
// Sentinel knows both. It fails over half a second after the master is gone.
func StartSentinel(t testing.TB) *Sentinels {
	t.Helper()
	set := &Sentinels{Name: "flow-master", Master: Start(t)}
	set.Replica = Start(t, Set("replicaof", fmt.Sprintf("127.0.0.1 %d", set.Master.port)),
		Set("repl-diskless-sync-delay", "0"))
	sentinel := Start(t, func(s *settings) {
		s.lines = slices.Concat(s.lines, []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 1", set.Name, set.Master.port),
			fmt.Sprintf("sentinel down-after-milliseconds %s 500", set.Name),
			fmt.Sprintf("sentinel failover-timeout %s 3000", set.Name),
		})
		s.args = []string{"--sentinel"}
	})
	set.Addrs = []string{sentinel.Addr()}

	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := poll(func() error { return set.complete(ctx, sentinel) }); err != nil {
		t.Fatalf("sentinel: %v", err)
	}
	return set
}

// complete returns an error until the replica follows the master and the Sentinel knows of it.
func (s *Sentinels) complete(ctx context.Context, sentinel *Server) error {
	c := redis.NewSentinelClient(sentinel.options())
	defer func() { _ = c.Close() }()
	master, err := c.Master(ctx, s.Name).Result()
	if err != nil {
		return err
	}
	r := redis.NewClient(s.Replica.options())
	defer func() { _ = r.Close() }()
	info, err := r.InfoMap(ctx, "replication").Result()
	if err != nil {
		return err
	}
	if link := info["Replication"]["master_link_status"]; master["num-slaves"] != "1" || link != "up" {
		return fmt.Errorf("sentinel knows %s replicas, the replica's link is %s", master["num-slaves"], link)
	}
	return nil
}
