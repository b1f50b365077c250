package redistest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// slots is how many a Redis Cluster has.
const slots = 16384

// StartCluster runs a Redis Cluster of three masters until the test ends, and returns when all of them
// agree that it works, which takes them two to three seconds. The options are those of each node.
func StartCluster(t testing.TB, options ...Option) []*Server {
	t.Helper()
	nodes := make([]*Server, 3)
	for i := range nodes {
		nodes[i] = Start(t, append([]Option{Set("cluster-enabled", "yes"), Set("cluster-node-timeout", "2000"),
			func(s *settings) { s.cluster = true }}, options...)...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for i, node := range nodes {
		if err := join(ctx, node, nodes[0], i, len(nodes)); err != nil {
			t.Fatalf("cluster node %d: %v", i, err)
		}
	}
	for _, node := range nodes {
		if err := poll(func() error { return agrees(ctx, node, nodes) }); err != nil {
			t.Fatalf("cluster node %s: %v", node.Addr(), err)
		}
	}
	return nodes
}

// join gives the node its share of the slots and introduces it to the first node.
func join(ctx context.Context, node, first *Server, i, n int) error {
	c := redis.NewClient(node.options())
	defer func() { _ = c.Close() }()
	from, to := i*slots/n, (i+1)*slots/n-1
	if err := c.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
		return err
	}
	// Equal epochs are a conflict that the nodes need seconds to settle.
	if err := c.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
		return err
	}
	if node == first {
		return nil
	}
	return c.Do(ctx, "cluster", "meet", "127.0.0.1", first.port, first.busPort).Err()
}

// agrees returns an error until the node sees every slot served by the nodes of the cluster.
func agrees(ctx context.Context, node *Server, nodes []*Server) error {
	c := redis.NewClient(node.options())
	defer func() { _ = c.Close() }()
	info, err := c.Do(ctx, "cluster", "info").Text()
	if err != nil {
		return err
	}
	shards, err := c.ClusterShards(ctx).Result()
	if err != nil {
		return err
	}
	total := 0
	for _, shard := range shards {
		for _, r := range shard.Slots {
			total += int(r.End - r.Start + 1)
		}
	}
	if total != slots || len(shards) != len(nodes) || !strings.Contains(info, "cluster_state:ok") {
		return fmt.Errorf("%d slots of %d nodes are served: %s", total, len(shards), info)
	}
	return nil
}
