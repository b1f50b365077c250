package flow

import (
	"sync"
	"time"
)

const (
	// gathering is how long those who come and go are waited for in quiet times, before others are told: nobody
	// sees the difference.
	gathering = 10 * time.Millisecond
	// longestGathering is that of the largest crowds: a leave is to be shown within half a second.
	longestGathering = 300 * time.Millisecond
	// crowdSlot is the time over which those who come and go are counted.
	crowdSlot = 100 * time.Millisecond
	// crowdStep is how many of them in a slot make the gathering longer by its shortest time.
	crowdStep = 10
)

// crowd counts those who come to any room of the instance, and those who go. When a link or an instance is
// back they come in thousands, and to tell each room of each of them takes two of the four writes of a connect in rooms
// of five: so the more there are, the longer they are gathered.
type crowd struct {
	mu     sync.Mutex
	slot   int64 // the time now, in slots
	now    int   // in this slot
	before int   // in the slot before
}

// gather counts one more, and returns how long to wait for others.
func (c *crowd) gather(at time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch slot := at.UnixNano() / int64(crowdSlot); slot - c.slot {
	case 0:
	case 1:
		c.slot, c.now, c.before = slot, 0, c.now
	default:
		c.slot, c.now, c.before = slot, 0, 0
	}
	c.now++
	steps := max(c.now, c.before) / crowdStep
	return min(gathering*time.Duration(1+steps), longestGathering)
}
