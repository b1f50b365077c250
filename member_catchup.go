package flow

// feedBytes is what a member that is behind is fed at once from the ring.
const feedBytes = 64 << 10

// rewindLocked takes a member back to a position, and feeds it from there.
func (m *member) rewindLocked(to Position, reason string) {
	m.cursor = to
	m.streams++
	m.grantCredit()
	if m.conn == nil {
		return
	}
	m.conn.send(rewindFrame(m.room.id, to, reason))
	m.behind = true
	m.conn.lag(m)
}

// catchUp feeds a member that is behind until it is in step, or its connection's queue has enough. It
// runs on the connection's writer, so a client is fed as fast as it reads.
func (m *member) catchUp(c *Conn) {
	for {
		streams, after, guessed, ok := m.fromRing(c)
		if !ok {
			return
		}
		if !m.fromPage(c, streams, m.room.pageAfter(after, guessed)) {
			return
		}
	}
}

// fromRing feeds a member from the ring. It returns ok when the log must be read instead, after the
// given position.
func (m *member) fromRing(c *Conn) (streams uint64, after Position, guessed, ok bool) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.conn != c || m.gone {
		return 0, Position{}, false, false
	}
	r.freshenLocked(m)
	r.relayOn(m)
	if !m.behind {
		return 0, Position{}, false, false
	}
	if m.feedLocked(c) {
		return 0, Position{}, false, false
	}
	return m.streams, m.cursor, m.guessed, true
}

// feedLocked feeds a member from the ring, as far as its queue takes it; false when the log must be read instead.
func (m *member) feedLocked(c *Conn) bool {
	r := m.room
	m.guessed = m.guessed || r.differsLocked(m.cursor)
	entries, inRing := r.ring.after(m.cursor.Seq, feedBytes)
	if m.guessed || !inRing && m.cursor.Seq < r.seq.head.Seq {
		return false
	}
	for i := range entries {
		if !c.offer(entries[i].frame) {
			break
		}
		m.cursor = entries[i].frame.Position
	}
	m.settleLocked()
	return true
}

// fromPage feeds a member from a page of the log; true when there is more to do now.
func (m *member) fromPage(c *Conn, streams uint64, p *sharedPage) bool {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.conn != c || m.gone || m.streams != streams {
		return m.conn == c && !m.gone
	}
	if p.err != nil {
		m.judgeLocked(p.page, p.err)
		return false
	}
	if r.differsLocked(m.cursor) {
		r.hub.stall(m)
		return false
	}
	m.guessed = false
	frames, _ := p.from(m.cursor)
	for _, f := range frames {
		if r.differsLocked(f.Position) { // the page is of another history than the room
			r.hub.stall(m)
			return false
		}
		if !c.offer(f) {
			break // it has enough for now, and comes back when its queue is empty
		}
		m.cursor = f.Position
	}
	if len(p.frames) == 0 && m.cursor.Seq >= p.page.Head.Seq {
		m.behind = m.cursor.Seq < r.seq.head.Seq // else the log ends here, and what comes is pushed
		if m.behind {                            // the page is older than what was delivered since
			r.hub.stall(m)
		}
		return false
	}
	m.settleLocked()
	return false
}

// judgeLocked decides about a member whose place in the log could not be read.
func (m *member) judgeLocked(page Page, err error) {
	r := m.room
	code := ErrorCode(err)
	switch sure := r.comparedLocked() && page.Restored == r.restored; {
	case code == CodeTrimmed && sure:
		m.rewindLocked(page.Base, "trimmed")
	case code == CodeDiverged && sure && m.guessed:
		m.guessed = false
		m.rewindLocked(page.Base, "repair")
	case code == CodeDiverged && sure: // the log lost what the room had
		r.troubleLocked(ErrFork)
		r.hub.stall(m)
	default:
		r.hub.stall(m)
	}
}

// settleLocked puts a member in step when it has reached the head, else asks for more once the queue
// is empty.
func (m *member) settleLocked() {
	m.behind = m.cursor.Seq < m.room.seq.head.Seq
	if m.behind {
		m.conn.lag(m)
	}
}
