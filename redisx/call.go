package redisx

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// request is one exchange with Redis: a command, or a pipeline.
type request[T any] func(ctx context.Context, client redis.UniversalClient) (T, error)

// call is one of the two ways of the backends to Redis; send is the other. It fails at once while Redis is
// away, or in a Cluster the node that the key is on, and never lasts longer than the timeout. The error is
// flow's, except for redis.Nil.
func call[T any](ctx context.Context, s *subsystem, key string, f request[T]) (T, error) {
	var none T
	b := s.of(key)
	st := b.now.Load()
	if st.state != flow.Live {
		return none, flow.Unavailable(st.cause)
	}
	if err := ctx.Err(); err != nil {
		return none, flow.Unavailable(err)
	}
	value, err := bounded(ctx, s.conn, f)
	s.judge(ctx, b, st.term, err)
	if err != nil && !errors.Is(err, redis.Nil) {
		return none, wrap(err)
	}
	return value, err
}

// send is call for commands that may go in one round trip with those of others. The error is the first
// that a command tells, but for redis.Nil; only without one the commands may be looked at.
func send(ctx context.Context, s *subsystem, key string, commands ...redis.Cmder) error {
	b := s.of(key)
	st := b.now.Load()
	if st.state != flow.Live {
		return flow.Unavailable(st.cause)
	}
	if err := ctx.Err(); err != nil {
		return flow.Unavailable(err)
	}
	err := b.pipe.do(ctx, commands)
	if err == nil {
		err = firstError(commands)
	}
	s.judge(ctx, b, st.term, err)
	return wrap(err)
}

// bounded runs f with the timeout. A client of our own keeps to it by itself. A borrowed one may be set
// to wait longer; such a call is left behind, and ends when the client's own timeouts do.
func bounded[T any](ctx context.Context, c *Conn, f request[T]) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	if c.owned {
		return f(ctx, c.client)
	}
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	// Ends with the borrowed client's timeouts, or when the application closes it.
	go func() {
		value, err := f(ctx, c.client)
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// pipelined sends what f queues in one round trip and returns the first error that is not redis.Nil:
// whether something is there, the caller sees from its command.
func pipelined(ctx context.Context, client redis.UniversalClient, f func(redis.Pipeliner)) error {
	p := client.Pipeline()
	f(p)
	if p.Len() == 0 {
		return nil
	}
	commands, err := p.Exec(ctx)
	if err == nil {
		return nil
	}
	if told := firstError(commands); told != nil {
		return told
	}
	if !errors.Is(err, redis.Nil) {
		return err // of the connection, before any command was sent
	}
	return nil
}
