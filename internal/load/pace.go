package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// pacers is how many goroutines send for all users, so that one slow write delays a part of them.
	pacers  = 4
	maxFor  = 5 * time.Minute
	maxRate = 1000
)

// Pace is how often each user does something, and for how long. The moments are spread evenly, and do
// not wait for the server: what is late is sent as soon as possible.
type Pace struct {
	PerSecond float64       // of one user; at most 1,000
	For       time.Duration // at most 5 minutes
	// Bytes of padding in the data of an operation. Default 150.
	Bytes int
}

// Report is what a crowd saw.
type Report struct {
	Took     time.Duration // from the first message to the last receipt
	Sent     int64         // operations, or positions
	Expected int64         // one for each of these at each member of its room
	Received int64
	// Age is the time from the moment when something was sent to its receipt, at each receiver.
	Age *Histogram
	// Lag is how late the generator itself was.
	Lag *Histogram
}

// action is what one user does at its moments.
type action func(user *client) error

// Operate has everybody write operations, and returns when every member of every room has received
// them all in order. Anything else is an error.
func (c *Crowd) Operate(ctx context.Context, p Pace) (Report, error) {
	if p.Bytes == 0 {
		p.Bytes = 150
	}
	padding := strings.Repeat("x", p.Bytes)
	return c.run(ctx, p, func(user *client) error { return user.operate(padding) }, c.complete)
}

// Write is [Crowd.Operate] that does not wait for anything in the end.
func (c *Crowd) Write(ctx context.Context, p Pace) error {
	padding := strings.Repeat("x", p.Bytes)
	write := func(user *client) error { return user.operate(padding) }
	_, err := c.run(ctx, p, write, func(context.Context) error { return c.Err() })
	return err
}

// run has everybody do something at a pace, and then waits for the end.
func (c *Crowd) run(ctx context.Context, p Pace, do action, end func(context.Context) error) (Report, error) {
	if p.PerSecond <= 0 || p.PerSecond > maxRate || p.For <= 0 || p.For > maxFor {
		return Report{}, fmt.Errorf("load: %v times a second for %v", p.PerSecond, p.For)
	}
	report := Report{Age: &Histogram{}, Lag: &Histogram{}}
	c.ages.Store(report.Age)
	start := time.Now()
	var group sync.WaitGroup
	failed := make([]error, pacers)
	for i := range pacers { // until p.For has passed
		group.Go(func() { failed[i] = c.pace(ctx, p, start, i, report.Lag, do) })
	}
	group.Wait()
	err := errors.Join(failed...)
	if err == nil {
		err = end(ctx)
	}
	report.Took = time.Since(start)
	report.Sent = report.Lag.Count()
	report.Expected = report.Sent * int64(len(c.clients)/len(c.rooms))
	report.Received = report.Age.Count()
	return report, err
}

// pace sends every so many-th message of all, beginning with number i. Users take turns.
func (c *Crowd) pace(ctx context.Context, p Pace, start time.Time, i int, lag *Histogram, do action) error {
	every := time.Duration(float64(time.Second) / p.PerSecond)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for number := i; ; number += pacers {
		due := every * time.Duration(number) / time.Duration(len(c.clients))
		if due >= p.For {
			return nil
		}
		if wait := due - time.Since(start); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		lag.Add(time.Since(start) - due)
		if err := do(c.clients[number%len(c.clients)]); err != nil {
			return fmt.Errorf("load: send: %w", err)
		}
	}
}

// complete waits until everybody has every operation.
func (c *Crowd) complete(ctx context.Context) error {
	return c.await(ctx, "operations at all members", func() bool {
		for _, r := range c.rooms {
			want := r.written()
			for _, user := range r.members {
				if user.seq.Load() < want {
					return false
				}
			}
		}
		return true
	})
}
