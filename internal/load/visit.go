package load

import (
	"context"
	"strconv"
	"sync"
	"time"
)

const (
	visitEvery  = 25 * time.Millisecond
	healthEvery = 10 * time.Millisecond
)

// Visit has strangers join a room and leave again, 40 a second, in turn one of the crowd's rooms and one
// that is new, and asks an instance for its health 100 times a second, until ctx ends. What happens
// counts in the phase in which it began; one has begun.
func (c *Crowd) Visit(ctx context.Context, server *Server) error {
	var running sync.WaitGroup
	running.Go(func() { c.every(ctx, healthEvery, func(_ int, due time.Time) { c.examine(ctx, server, due) }) })
	c.every(ctx, visitEvery, func(i int, due time.Time) {
		running.Go(func() { c.visit(i, due) }) // bounded by the timeout of a join
	})
	running.Wait()
	return c.Err()
}

// every calls do at moments that do not wait for it.
func (c *Crowd) every(ctx context.Context, d time.Duration, do func(i int, due time.Time)) {
	due := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		do(i, due)
		due = due.Add(d)
		timer.Reset(time.Until(due))
	}
}

// visit is one stranger.
func (c *Crowd) visit(i int, due time.Time) {
	phase := c.phase.Load()
	times, r := &phase.OpenRoom, c.rooms[i/2%len(c.rooms)]
	if i%2 == 1 {
		times, r = &phase.NewRoom, &room{id: c.rooms[0].id + "-" + strconv.Itoa(int(c.visits.Add(1)))}
	}
	stranger := newClient(c, r, c.config.Addrs[0])
	defer stranger.close()
	if err := stranger.join(context.Background()); err != nil { // it has a timeout of its own
		c.fault("visit: %w", err)
		return
	}
	times.Add(time.Since(due))
}

// examine asks for the health once.
func (c *Crowd) examine(ctx context.Context, server *Server, due time.Time) {
	phase := c.phase.Load()
	if _, err := server.Ready(context.WithoutCancel(ctx)); err != nil {
		c.fault("%w", err)
		return
	}
	phase.Health.Add(time.Since(due))
}
