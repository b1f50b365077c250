package flow

import "slices"

// send queues an answer or a notice. A client that lets too many of them wait is closed as slow.
func (c *Conn) send(f *Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending || c.ended {
		return
	}
	if c.bytes > sendLimit {
		c.closeLocked(ByeSlow)
		return
	}
	c.pushLocked(f)
}

// offer queues a frame that may be left out: false means that the client is behind.
func (c *Conn) offer(f *Frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending || c.ended {
		return true
	}
	if c.bytes > sendBudget {
		return false
	}
	c.pushLocked(f)
	return true
}

func (c *Conn) pushLocked(f *Frame) {
	c.queue = append(c.queue, f)
	c.bytes += len(f.JSON)
	c.startLocked()
}

// lag asks the writer to feed a member that is behind, as soon as the queue is empty.
func (c *Conn) lag(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.ending {
		return
	}
	if !slices.Contains(c.lagging, m) {
		c.lagging = append(c.lagging, m)
	}
	c.startLocked()
}

// startLocked has what is queued written, unless somebody is at it: by a flusher, or by a goroutine that
// ends when nothing is left. So an idle connection costs no goroutine beyond its reader. Done waits for
// either.
func (c *Conn) startLocked() {
	if c.writing || c.ended {
		return
	}
	c.writing = true
	c.writers.Add(1)
	if c.pusher != nil {
		c.flusher.add(c)
		return
	}
	go c.write()
}

func (c *Conn) write() { c.writeOn(c.next()) }

// writeOn does what was taken out already, and then whatever else is to be written.
func (c *Conn) writeOn(work work) {
	defer c.writers.Done()
	for ; ; work = c.next() {
		switch {
		case work.frames != nil || work.wake:
			if err := c.t.Write(work.frames); err != nil {
				c.abort(ByeSlow)
				return
			}
			c.hub.stats.delivered.Add(int64(len(work.frames)))
		case work.lagging != nil:
			for _, m := range work.lagging {
				m.catchUp(c)
			}
		case work.close:
			c.t.Close(c.why.CloseCode())
			return
		default:
			return
		}
	}
}

// work is the writer's next step; the zero value ends it.
type work struct {
	frames  []*Frame
	wake    bool
	lagging []*member
	close   bool
}

func (c *Conn) next() (w work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		c.writing = false
	case len(c.queue) > 0 || c.wake:
		clear(c.spare)
		w.frames, w.wake = c.queue, c.wake
		c.queue, c.spare = c.spare[:0], c.queue
		c.bytes, c.wake = 0, false
	case c.ending:
		c.writing, w.close = false, !c.closed
		c.closed = true
	case len(c.lagging) > 0:
		w.lagging, c.lagging = c.lagging, nil
	default:
		c.writing = false
		clear(c.spare) // what was written is not kept: 0.3 KB of each socket that has joined
		if cap(c.queue) > idleQueue || cap(c.spare) > idleQueue {
			c.queue, c.spare = nil, nil
		}
	}
	return w
}
