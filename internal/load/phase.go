package load

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Phase is how a server answered in one phase of an outage. What was asked in it counts in it, whenever
// the answer came.
type Phase struct {
	// Operations is the time from sending one to the first word about it: its place, that it is
	// queued, or that it was refused.
	Operations Histogram
	// OpenRoom and NewRoom are the times from connecting to joined, of rooms in which people are and of
	// rooms that nobody was in before.
	OpenRoom, NewRoom Histogram
	// Health is the time that GET /health/ready took.
	Health Histogram
	// What the first words were.
	Confirmed, Queued, Refused atomic.Int64
}

// Begin starts a phase. From the first one on the crowd takes what a server says in an outage for what
// it is, and not for a fault.
func (c *Crowd) Begin() *Phase {
	p := &Phase{}
	c.phase.Store(p)
	return p
}

// AwaitState waits until everybody was told that the instance and their room are live, or that they are
// not. It returns when the last of them was told.
func (c *Crowd) AwaitState(ctx context.Context, live bool) (last time.Time, err error) {
	err = c.await(ctx, fmt.Sprint("live ", live), func() bool {
		last = time.Time{}
		for _, user := range c.clients {
			at, ok := user.asked.told(live)
			if !ok {
				return false
			}
			if at.After(last) {
				last = at
			}
		}
		return true
	})
	return last, err
}

// AwaitAnswers waits until there was a word about each operation.
func (c *Crowd) AwaitAnswers(ctx context.Context) error {
	return c.await(ctx, "answers", func() bool {
		for _, user := range c.clients {
			if user.asked.waiting() {
				return false
			}
		}
		return true
	})
}

// AwaitConfirmed waits until everybody has every operation that was taken, and returns when the last
// author saw the last of their own.
func (c *Crowd) AwaitConfirmed(ctx context.Context) (last time.Time, err error) {
	if err := c.complete(ctx); err != nil {
		return last, err
	}
	for _, user := range c.clients {
		if at := user.asked.lastConfirmed(); at.After(last) {
			last = at
		}
	}
	return last, nil
}

// GiveUp has everybody forget what was refused, so that their next operation follows the last one that
// was taken. All were answered.
func (c *Crowd) GiveUp() {
	for _, user := range c.clients {
		user.out.Lock()
		user.n = user.asked.lastTaken()
		user.out.Unlock()
	}
}

// asked is what a client waits for while phases are told apart.
type asked struct {
	mu    sync.Mutex
	first uint64     // the n of open[0]
	open  []question // of operations, one after the other

	taken     uint64 // the highest n that was queued or confirmed
	confirmed time.Time

	degraded, apart bool // the instance, the room alone
	toldAt          time.Time
}

// question is an operation that was sent. Without a phase it was answered.
type question struct {
	sent  time.Time
	phase *Phase
}

func (a *asked) ask(n uint64, p *Phase) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.open) == 0 {
		a.first = n
	}
	a.open = append(a.open, question{time.Now(), p})
}

// accepted takes the first word about all operations up to n, that they are queued, or the word about n
// that it has its place.
func (a *asked) accepted(n uint64, queued bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken = max(a.taken, n)
	if !queued {
		a.confirmed = time.Now()
	}
	for m := a.first; m <= n && m < a.first+uint64(len(a.open)); m++ {
		if q := a.closeLocked(m); q != nil && queued {
			q.Queued.Add(1)
		} else if q != nil {
			q.Confirmed.Add(1)
		}
	}
	a.dropLocked()
}

func (a *asked) refused(n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n >= a.first && n < a.first+uint64(len(a.open)) {
		if q := a.closeLocked(n); q != nil {
			q.Refused.Add(1)
		}
	}
	a.dropLocked()
}

// closeLocked counts the answer to an operation and returns its phase, nil if that was done already.
func (a *asked) closeLocked(n uint64) *Phase {
	q := &a.open[n-a.first]
	p := q.phase
	if p != nil {
		p.Operations.Add(time.Since(q.sent))
		q.phase = nil
	}
	return p
}

// dropLocked forgets those at the front that were answered.
func (a *asked) dropLocked() {
	for len(a.open) > 0 && a.open[0].phase == nil {
		a.open = a.open[1:]
		a.first++
	}
}

// state notes what the client was told of the instance, or of its room alone.
func (a *asked) state(room bool, live bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if room {
		a.apart = !live
	} else {
		a.degraded = !live
	}
	a.toldAt = time.Now()
}

// told reports whether the client believes so, and since when.
func (a *asked) told(live bool) (since time.Time, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.toldAt, live == (!a.degraded && !a.apart)
}

func (a *asked) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.open) > 0
}

func (a *asked) lastConfirmed() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.confirmed
}

func (a *asked) lastTaken() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken
}

// takeTrouble takes a word that only an outage explains. It is a fault while none is expected.
func (c *client) takeTrouble(text []byte) {
	var word struct {
		Type  string `json:"type"`
		Room  string `json:"room"`
		N     uint64 `json:"n"`
		State string `json:"state"`
	}
	if c.crowd.phase.Load() == nil || json.Unmarshal(text, &word) != nil {
		c.crowd.fault("the server said %s", text)
		return
	}
	switch word.Type {
	case "queued":
		c.asked.accepted(word.N, true)
	case "nack":
		c.asked.refused(word.N)
	case "state":
		c.asked.state(word.Room != "", word.State == "live")
	}
}
