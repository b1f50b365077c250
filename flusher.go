package flow

import (
	"errors"
	"runtime"
	"sync"
)

// flushTurn is after how many connections a flusher lets those go first who read: what they bring meanwhile
// goes out in the same writes.
const flushTurn = 32

// flusher writes to connections that take what they are given at once: one goroutine for many of them, in
// place of one each. Before it begins it lets all run that can, so that what belongs together is written
// together; the busier the instance, the fewer writes a frame costs. The goroutine stays as long as the hub:
// a new one each time would have its stack copied twice before its first write.
type flusher struct {
	hub  *Hub
	wake chan struct{} // has one place; one is in there only while nobody runs

	mu      sync.Mutex
	due     []*Conn // with something to write; each is in there once
	spare   []*Conn // the last due, for reuse
	running bool
	stopped bool
}

func newFlusher(h *Hub) *flusher { return &flusher{hub: h, wake: make(chan struct{}, 1)} }

// serve flushes until stop.
func (f *flusher) serve() {
	for range f.wake {
		f.run()
	}
}

// stop ends serve, when it has flushed what is due. Connections that are still there are flushed all the same.
func (f *flusher) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	close(f.wake)
}

// add has a connection flushed soon. It may be called with the connection's lock held.
func (f *flusher) add(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.due = append(f.due, c)
	switch {
	case f.running:
	case f.stopped: // a client that would not go
		go f.run() // ends when nothing is due; a connection's end waits until it is not
	default:
		f.wake <- struct{}{}
	}
	f.running = true
}

func (f *flusher) run() {
	for {
		runtime.Gosched()
		due, ok := f.take()
		if !ok {
			return
		}
		for i, c := range due {
			if i%flushTurn == flushTurn-1 {
				runtime.Gosched()
			}
			f.flush(c)
		}
	}
}

// take returns who is due; ok is false, and the run over, when nobody is.
func (f *flusher) take() (due []*Conn, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.spare)
	if len(f.due) == 0 {
		f.running = false
		if cap(f.spare) > idleQueue {
			f.due, f.spare = nil, nil
		}
		return nil, false
	}
	due = f.due
	f.due, f.spare = f.spare[:0], due
	return due, true
}

// flush writes what is queued for a connection. What would make it wait is left to a goroutine of the
// connection.
func (f *flusher) flush(c *Conn) {
	w := c.next()
	for len(w.frames) > 0 || w.wake {
		more, err := c.push(w.frames)
		if err != nil {
			c.abort(ByeSlow)
			c.writers.Done()
			return
		}
		f.hub.stats.delivered.Add(int64(len(w.frames)))
		if more {
			go c.writeOn(work{wake: true}) // ends when nothing is left; Done waits for it
			return
		}
		w = c.next()
	}
	if w.lagging != nil || w.close {
		go c.writeOn(w) // likewise
		return
	}
	c.writers.Done()
}

// push hands frames to a transport that does not wait. One that panics is broken, and the others of the
// flusher are not.
func (c *Conn) push(frames []*Frame) (more bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.hub.logPanic(p, "a transport")
			err = errors.New("the transport panicked")
		}
	}()
	return c.pusher.Push(frames)
}
