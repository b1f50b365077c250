package redisx

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

const (
	// proofAge is how old the last proof may get before an idle Conn asks for one.
	proofAge = 2 * time.Second
	// The first and the longest wait between looks at a Redis that is away.
	firstWait, longestWait = 250 * time.Millisecond, 2 * time.Second
)

// watch looks at Redis for as long as the Conn is open: rarely while it works and nobody else does,
// and with growing waits while it is away.
func (c *Conn) watch() {
	wait := firstWait
	for c.ctx.Err() == nil {
		s, changed := c.breaker.watch()
		if s.state == flow.Live {
			wait = firstWait
			c.watchLive(s, changed)
			continue
		}
		if !c.sleep(jitter(wait), changed) {
			continue
		}
		if c.Ping(c.ctx) != nil {
			wait = min(2*wait, longestWait)
		}
	}
}

// watchLive asks for a proof when there was none for a while. One that is lost may be bad luck.
func (c *Conn) watchLive(s *status, changed <-chan struct{}) {
	if age := time.Since(c.breaker.lastProof()); age < proofAge && !c.rest(proofAge-age, changed) {
		return
	}
	err := c.probe(c.ctx)
	if err != nil && isTimeout(err) {
		err = c.probe(c.ctx)
	}
	c.judge(c.ctx, s.term, err)
}

// rest waits before an idle Conn looks at Redis, and reports whether it shall look at once.
func (c *Conn) rest(d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.doubt:
		return true
	case <-timer.C:
	case <-changed:
	case <-c.ctx.Done():
	}
	return false
}

// suspect has Redis looked at now: something that depends on it has failed.
func (c *Conn) suspect() {
	select {
	case c.doubt <- struct{}{}:
	default:
	}
}

// sleep waits, and reports false when the state changed or the Conn was closed meanwhile.
func (c *Conn) sleep(d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-changed:
		return false
	case <-c.ctx.Done():
		return false
	}
}

// probe asks for an answer and a write, also while the breaker is open.
func (c *Conn) probe(ctx context.Context) error {
	_, err := bounded(ctx, c, func(ctx context.Context, client redis.UniversalClient) (string, error) {
		if err := client.Ping(ctx).Err(); err != nil {
			return "", err
		}
		return c.prove.Run(ctx, client, []string{c.key.of("probe")}, c.key.of("beat:probe")).Text()
	})
	if err == nil {
		c.breaker.proved()
	}
	return err
}

// jitter keeps instances that lost Redis together from coming back together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/4)
}
