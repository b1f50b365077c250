package redisx

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// masters returns the addresses of a Cluster's masters as they were last seen, nil before the first look
// at it that had an answer.
func (c *Conn) masters() []string {
	if list := c.charted.Load(); list != nil {
		return *list
	}
	return nil
}

// chart asks a Cluster which nodes it has. go-redis keeps the table of slots.
func (c *Conn) chart(ctx context.Context) ([]string, error) {
	var mu sync.Mutex
	var list []string
	err := c.cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, node.Options().Addr)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	c.charted.Store(&list)
	return list, nil
}

// nodeOf returns the address of the node that a key belongs to, without asking anybody: "" until the
// nodes are known.
func (c *Conn) nodeOf(key string) string {
	if c.charted.Load() == nil {
		return ""
	}
	node, err := c.cluster.MasterForKey(c.ctx, key)
	if err != nil {
		return ""
	}
	return node.Options().Addr
}
