package redisx

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// SharedSecret offers a secret to the instances that share the connection's prefix, and returns the
// one that was offered first: candidate, or another's. It stays in Redis. It is asked for whatever the
// backends on the connection think of Redis, and its outcome is nothing to them.
func SharedSecret(ctx context.Context, c *Conn, candidate []byte) ([]byte, error) {
	if c.ctx.Err() != nil {
		return nil, flow.Unavailable(errClosed)
	}
	secret, err := bounded(ctx, c, func(ctx context.Context, client redis.UniversalClient) ([]byte, error) {
		var won *redis.StringCmd
		err := pipelined(ctx, client, func(p redis.Pipeliner) {
			p.SetNX(ctx, c.key.of("secret"), candidate, 0)
			won = p.Get(ctx, c.key.of("secret"))
		})
		if err != nil {
			return nil, err
		}
		return won.Bytes()
	})
	if err == nil && len(secret) == 0 {
		return nil, flow.Unavailable(errors.New("redisx: the shared secret is empty"))
	}
	if errors.Is(err, redis.Nil) { // evicted in between
		return nil, flow.Unavailable(err)
	}
	return secret, wrap(err)
}
