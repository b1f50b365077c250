package redisx

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

const (
	// patience is how long a call waits at most for round trips that are under way. So a Redis that is slow
	// or far away is asked as soon, and as often, as if every call went alone.
	patience = time.Millisecond
	// tripsAtOnce are under way before anybody waits: while Redis works on one, the instance works on the
	// answers of the other.
	tripsAtOnce = 2
	// pipeAtOnce is how many calls go together at most.
	pipeAtOnce = 128
)

// pipe sends what many calls ask of Redis, or in a Cluster of one node, at the same moment in one round
// trip. A call that finds the way free goes at once, by itself. What comes while a round trip is under way
// goes together with the next. Measured with 20 rooms that append one operation after the other: 12 us of CPU
// for each in place of 23, and in Redis 23 in place of 28.
type pipe struct {
	conn    *Conn
	breaker *breaker

	mu       sync.Mutex
	underWay int       // calls that went alone and carriers that have not come back
	waiting  []*parcel // for the next round trip
	overdue  *time.Timer
}

// parcel is one call that waits. Whoever gives it up leaves it behind, with its commands.
type parcel struct {
	commands []redis.Cmder
	done     chan error // holds one
}

// do sends commands, and returns when they have their answers or errors. With an error of its own, nothing
// is known of the commands, and they must not be touched: somebody may still be at them.
func (p *pipe) do(ctx context.Context, commands []redis.Cmder) error {
	waits := p.enter(commands)
	if waits == nil {
		defer p.leave()
		return exchange(ctx, p.conn, commands)
	}
	select {
	case err := <-waits.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter takes the free way, or returns what waits for the next round trip.
func (p *pipe) enter(commands []redis.Cmder) *parcel {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay < tripsAtOnce {
		p.underWay++
		return nil
	}
	waits := &parcel{commands: commands, done: make(chan error, 1)}
	p.waiting = append(p.waiting, waits)
	if len(p.waiting) > 1 {
		return waits
	}
	if p.overdue == nil {
		p.overdue = time.AfterFunc(patience, p.hurry)
	} else {
		p.overdue.Reset(patience)
	}
	return waits
}

// leave ends a call that went alone.
func (p *pipe) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay--
	if p.underWay < tripsAtOnce && len(p.waiting) > 0 {
		p.carryLocked()
	}
}

// hurry sends what has waited for too long, beside what is under way.
func (p *pipe) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.carryLocked()
	}
}

// carryLocked starts a carrier. Close waits for it; it ends when nobody waits for a round trip, or after
// the one under way.
func (p *pipe) carryLocked() {
	p.underWay++
	if p.conn.background(p.carry) {
		return
	}
	p.underWay--
	for _, waits := range p.waiting {
		waits.done <- errClosed
	}
	p.waiting = nil
}

// carry makes one round trip after the other for those who wait.
func (p *pipe) carry() {
	for {
		batch := p.take()
		if batch == nil {
			return
		}
		err := p.send(batch)
		for _, waits := range batch {
			waits.done <- err
		}
	}
}

// take returns those whose turn it is. With nil the carrier has left.
func (p *pipe) take() []*parcel {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := p.waiting
	if len(batch) == 0 {
		p.underWay--
		return nil
	}
	p.overdue.Stop()
	p.waiting = nil
	if len(batch) > pipeAtOnce {
		batch, p.waiting = batch[:pipeAtOnce:pipeAtOnce], batch[pipeAtOnce:]
		p.carryLocked()
	}
	return batch
}

func (p *pipe) send(batch []*parcel) error {
	if st := p.breaker.now.Load(); st.state != flow.Live {
		return st.cause // it went away while they waited
	}
	if p.conn.ctx.Err() != nil {
		return errClosed
	}
	commands := make([]redis.Cmder, 0, len(batch))
	for _, waits := range batch {
		commands = append(commands, waits.commands...)
	}
	return exchange(p.conn.ctx, p.conn, commands)
}

// exchange sends commands in one round trip. An error is one that the commands do not tell.
func exchange(ctx context.Context, c *Conn, commands []redis.Cmder) error {
	_, err := bounded(ctx, c, func(ctx context.Context, client redis.UniversalClient) (struct{}, error) {
		if len(commands) == 1 {
			_ = client.Process(ctx, commands[0]) // the command tells
			return struct{}{}, nil
		}
		p := client.Pipeline()
		_ = p.BatchProcess(ctx, commands...) // only queues
		if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) && firstError(commands) == nil {
			return struct{}{}, err
		}
		return struct{}{}, nil
	})
	return err
}

// firstError returns the first that commands tell and that is not redis.Nil.
func firstError(commands []redis.Cmder) error {
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}
