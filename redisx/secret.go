package redisx

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// SharedSecret offers a secret to the instances that share the connection's prefix, and returns the
// one that was offered first: candidate, or another's. It stays in Redis.
func SharedSecret(ctx context.Context, c *Conn, candidate []byte) ([]byte, error) {
	return call(ctx, c, func(ctx context.Context, client redis.UniversalClient) ([]byte, error) {
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
}
