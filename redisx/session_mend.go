package redisx

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// together sends what f queues with what others send at the same moment, and once more as pipelined does where
// a key has to give way. With 2,000 who come back at once a Get and a Put cost 13 us of CPU in place of 38, and
// Redis 3 in place of 21.
func (s *SessionStore) together(ctx context.Context, f func(redis.Pipeliner)) error {
	queue := s.conn.client.Pipeline()
	f(queue)
	if queue.Len() == 0 {
		return nil
	}
	err := send(ctx, s.sub, "", queue.Cmds()...)
	if !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return err
	}
	_, err = call(ctx, s.sub, "", func(ctx context.Context, client redis.UniversalClient) (struct{}, error) {
		return struct{}{}, s.pipelined(ctx, client, f)
	})
	return err
}

// pipelined is [pipelined] for keys of sessions. One that holds something else than it should gives way, and what
// was queued is sent once more: sessions are soft state, whoever has one writes it again.
func (s *SessionStore) pipelined(ctx context.Context, client redis.UniversalClient, f func(redis.Pipeliner)) error {
	var commands []redis.Cmder
	err := pipelined(ctx, client, func(p redis.Pipeliner) {
		f(p)
		commands = slices.Clone(p.Cmds())
	})
	if !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return err
	}
	var wrong []string
	for _, command := range commands {
		key, ok := command.Args()[1].(string)
		if ok && redis.HasErrorPrefix(command.Err(), "WRONGTYPE") && !slices.Contains(wrong, key) {
			wrong = append(wrong, key)
		}
	}
	s.sub.logger(s.conn.Addr()).Warn("dropped keys of sessions that held something else", "keys", wrong)
	err = pipelined(ctx, client, func(p redis.Pipeliner) {
		for _, key := range wrong {
			p.Del(ctx, key)
		}
	})
	if err != nil {
		return err
	}
	return pipelined(ctx, client, f)
}
