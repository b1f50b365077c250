package load

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Comeback is how fast those who were away caught up.
type Comeback struct {
	Users  int           // who came back
	Missed int64         // operations, by all of them together
	Took   time.Duration // from the first attempt until the last of them was back in step
	// Each is the time from that first attempt until one of them was in step.
	Each *Histogram
}

// Return cuts the connections of everybody but the first member of each room, lets that one write
// operations, missed of them, and has all others come back at once, with their sessions and positions.
// It returns when the last of them has received what it missed.
func (c *Crowd) Return(ctx context.Context, missed int) (Comeback, error) {
	back := Comeback{Each: &Histogram{}}
	var away []*client
	for _, r := range c.rooms {
		away = append(away, r.members[1:]...)
	}
	for _, user := range away {
		user.close()
	}
	if err := c.write(ctx, missed); err != nil {
		return back, err
	}
	returning := c.replace()
	back.Users, back.Missed = len(returning), int64(len(returning)*missed)
	start := time.Now()
	if err := c.join(ctx, returning); err != nil {
		return back, err
	}
	for _, user := range returning {
		select {
		case at := <-user.reached:
			back.Each.Add(at.Sub(start))
		case <-time.After(settleTimeout):
			return back, fmt.Errorf("load: a client is still at seq %d: %w", user.seq.Load(), c.Err())
		case <-ctx.Done():
			return back, ctx.Err()
		}
	}
	back.Took = back.Each.Max()
	return back, c.Err()
}

// write has the first member of each room write operations, and waits until they are confirmed.
func (c *Crowd) write(ctx context.Context, count int) error {
	padding := strings.Repeat("x", 150)
	for range count {
		for _, r := range c.rooms {
			if err := r.members[0].operate(padding); err != nil {
				return fmt.Errorf("load: send: %w", err)
			}
		}
	}
	return c.await(ctx, "confirmation", func() bool {
		for _, r := range c.rooms {
			if r.members[0].seq.Load() < r.written() {
				return false
			}
		}
		return true
	})
}

// replace puts new clients, not yet connected, into the places of those that are gone.
func (c *Crowd) replace() (fresh []*client) {
	c.clients = c.clients[:0]
	for _, r := range c.rooms {
		for i, user := range r.members[1:] {
			r.members[1+i] = user.again(r.written())
		}
		fresh = append(fresh, r.members[1:]...)
		c.clients = append(c.clients, r.members...)
	}
	return fresh
}
