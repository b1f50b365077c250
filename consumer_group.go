package flow

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// groupWorkers is how many rooms a group works at, at a time, on one instance. Groups have workers of their
// own, so that one whose database is slow holds up no other.
const groupWorkers = 8

// consumerGroup is one group of consumers on this instance. A room has an errand here while it may have
// something new, while a pause lasts, and for a while after the last operation. A room at rest costs nothing.
type consumerGroup struct {
	Consumer
	all        *consumers
	lease      string // the name of the lease that whoever works at a room has
	operations atomic.Int64
	failures   atomic.Int64

	mu      sync.Mutex // guards what follows, and the first half of each errand; after a room's lock
	errands map[string]*errand
	queue   []*errand
	workers int
	closed  bool
}

// errand is what a group has to do in a room.
type errand struct {
	room  string
	state errandState
	news  bool      // there may be something new since the last turn began
	deaf  bool      // news does not end the rest
	until time.Time // of the rest

	// What follows is whoever's turn it is.
	leased  time.Time     // until when the lease is this instance's; the zero Time: it is not
	at      Position      // how far the group has come, as long as it is leased
	known   bool          // at was read
	unsaved bool          // at is not in the backend
	lost    bool          // another instance had the lease at the last try
	pause   time.Duration // the last, after a failure
	quiet   time.Time     // since when nothing was new
	doubt   time.Time     // since when at is not in the log
}

type errandState uint8

const (
	resting errandState = iota
	queued
	working
)

// rest is what a turn ends with. The zero rest: the next turn may come at once.
type rest struct {
	span time.Duration
	deaf bool // news does not end it
	over bool // there is nothing left to do
}

// wake tells that there may be something new in a room. It does not block.
func (g *consumerGroup) wake(room string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	e := g.errands[room]
	if e == nil {
		e = &errand{room: room}
		g.errands[room] = e
	}
	e.news = true
	if e.state == resting && !e.deaf {
		g.queueLocked(e)
	}
}

// rouse ends the rests that are over.
func (g *consumerGroup) rouse(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.errands {
		if e.state == resting && !now.Before(e.until) && !g.closed {
			g.queueLocked(e)
		}
	}
}

func (g *consumerGroup) queueLocked(e *errand) {
	e.state = queued
	g.queue = append(g.queue, e)
	if g.workers < groupWorkers {
		g.workers++
		g.all.work.Go(g.work) // until the queue is empty, or the hub is closed
	}
}

// work takes turns.
func (g *consumerGroup) work() {
	for e := g.next(); e != nil; e = g.next() {
		g.put(e, g.turn(e))
	}
}

func (g *consumerGroup) next() *errand {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || len(g.queue) == 0 {
		g.workers--
		return nil
	}
	e := g.queue[0]
	g.queue[0] = nil
	g.queue = g.queue[1:]
	e.state, e.news = working, false
	return e
}

// put says how an errand goes on after a turn. One that goes on at once goes to the end of the queue, so
// that a long log does not hold up other rooms.
func (g *consumerGroup) put(e *errand, r rest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.state, e.deaf, e.until = resting, r.deaf, time.Now().Add(r.span)
	switch {
	case g.closed:
	case e.news && !r.deaf, r.span == 0 && !r.over:
		g.queueLocked(e)
	case r.over:
		delete(g.errands, e.room)
	}
}

func (g *consumerGroup) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// releaseAll gives the leases back of all rooms at which nobody works any more, some at a time.
func (g *consumerGroup) releaseAll(ctx context.Context) {
	var held []*errand
	g.mu.Lock()
	for _, e := range g.errands {
		if e.state != working && !e.leased.IsZero() {
			held = append(held, e)
		}
	}
	g.mu.Unlock()
	var releases sync.WaitGroup
	slots := make(chan struct{}, groupWorkers)
	for _, e := range held {
		slots <- struct{}{}
		releases.Go(func() {
			g.release(ctx, e)
			<-slots
		})
	}
	releases.Wait()
}
