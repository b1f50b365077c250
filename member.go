package flow

import (
	"time"
)

// member is a session of a room whose socket is on this instance, or was until a moment ago; or a
// stream, which reads along and is no participant.
type member struct {
	room    *room
	session string // "" for a stream
	user    User
	joined  int64

	// The room's lock guards what follows.
	conn     *Conn     // nil during the grace after its connection ended
	lost     time.Time // when conn became nil
	gone     bool      // ended; nothing is sent or taken any more
	level    Access
	turn     uint64   // in which the application was asked for the level; see Conn.askingTurn
	cursor   Position // the last operation handed to conn
	behind   bool     // cursor is not at the head: the writer feeds it
	stale    bool     // a presence frame was left out: it gets the whole list
	news     uint64   // of the room's changes of presence, how many the list had that it was given
	relaying bool     // it is being shown what waits in the sequencer's queue
	relayed  int      // how far
	streams  uint64   // counts restarts of the stream
	reads    uint64   // of the room that had begun when it joined
	state    presence
	claimed  int64                // when conn came, in Unix milliseconds
	unsaved  bool                 // the store does not have the present state
	rival    bool                 // the store was away: another instance may have taken the session meanwhile
	ended    bool                 // for good: the store must not have it
	fleeting bool                 // it is not kept when its socket is gone: its user has left too many behind
	guessed  bool                 // cursor was taken as good while the log was away, and must be checked
	locks    map[string]time.Time // until when it has which
	unsure   bool                 // it came from elsewhere, and may have locks in the backend
	ops      bucket
	events   bucket
	moves    bucket
	credit   int       // resends right after joined or rewind that are not rate limited
	creditTo time.Time // when the credit ends
}

// participant returns the session as others see it. The room's lock is held.
func (m *member) participant() Participant {
	return Participant{
		Session: m.session, User: m.user.ID, Profile: m.user.Profile(),
		Presence: m.state.appendTo(nil), Joined: m.joined,
	}
}

// appendTo appends the session as others see it. The room's lock is held.
func (m *member) appendTo(buf []byte) []byte {
	buf = appendWho(buf, m.session, m.user.ID, m.user.Profile())
	return append(appendNumber(m.state.appendTo(appendName(buf, "presence")), "joined", m.joined), '}')
}

// record returns the session as a store keeps it. The room's lock is held.
func (m *member) record() Session {
	s := Session{ID: m.session, Room: m.room.id, User: m.user, Presence: m.state.appendTo(nil), Joined: m.joined}
	s.User.Expires, s.User.Admin, s.User.Claims = time.Time{}, false, nil
	if m.conn != nil {
		s.Instance = m.room.hub.cfg.Instance
	}
	s.Claimed = m.claimed
	return s
}

func (m *member) access() Access {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	return m.level
}

// renew takes over what the application says of who is on a connection. Who may not write any more has no
// locks either.
func (m *member) renew(c *Conn, level Access, user User, turn uint64) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.conn != c || turn < m.turn {
		return // it has moved on, or was asked about again, and what was said there holds
	}
	m.level, m.turn = level, turn
	if level < Editor {
		m.dropLocksLocked()
	}
	if m.gone || m.user.Name == user.Name && m.user.Picture == user.Picture {
		return
	}
	m.user.Name, m.user.Picture, m.unsaved = user.Name, user.Picture, true
	r.rosterChangedLocked()
	r.introduceLocked(m.session) // a join tells the profile
}

// grantCredit lets a client resend what is pending, at whatever rate its user may send. A client that
// joins over and over gets no more of it. The room's lock is held.
func (m *member) grantCredit() {
	if time.Now().Before(m.creditTo) {
		return
	}
	m.credit = m.room.hub.cfg.Limits.Pending
	m.creditTo = time.Now().Add(10 * time.Second)
}

// takeOp takes a token for one operation, and returns how long to wait when there is none; own says that
// it is the session's rate that is used up, and not the room's.
func (m *member) takeOp(now time.Time) (wait time.Duration, own bool) {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	if m.credit > 0 && now.Before(m.creditTo) { // what the user may send as a whole was looked at before
		m.credit--
		return 0, false
	}
	return m.takeLocked(&m.ops, m.room.hub.cfg.Limits.OpsPerSecond, now)
}

// takeEvent is takeOp for an event.
func (m *member) takeEvent(now time.Time) (wait time.Duration, own bool) {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	return m.takeLocked(&m.events, m.room.hub.cfg.Limits.EventsPerSecond, now)
}

// takeLocked takes a token of the session's bucket and one of the room's.
func (m *member) takeLocked(b *bucket, rate int, now time.Time) (wait time.Duration, own bool) {
	if wait := b.take(now, rate); wait > 0 {
		return wait, true
	}
	return m.room.messages.take(now, m.room.hub.cfg.Quotas.RoomMessagesPerSecond), false
}

// push hands the next operation of the log, which follows before, to a member that is in step; one that
// cannot take it is behind from now on. The room's lock is held.
func (m *member) push(f *Frame, before Position) {
	switch {
	case m.conn == nil || m.behind || m.cursor.Seq > f.Position.Seq || m.cursor == f.Position:
		return
	case m.cursor != before: // what it was fed from the log is of another history
		m.verifyLocked()
		return
	}
	if !m.conn.offer(f) {
		m.behind = true
		m.conn.lag(m)
		return
	}
	m.cursor = f.Position
}

// verifyLocked has the log judge where a member is, before it gets anything more.
func (m *member) verifyLocked() {
	m.guessed, m.behind = true, true
	if m.conn != nil {
		m.conn.lag(m)
	}
}

// show hands a presence frame to a member; one that cannot take it gets the whole list later. The
// room's lock is held.
func (m *member) show(f *Frame) {
	if m.conn == nil || m.stale {
		return
	}
	if !m.conn.offer(f) {
		m.stale = true
		m.conn.lag(m)
	}
}

// leave ends a session at its client's wish.
func (m *member) leave(c *Conn) {
	c.dropMember(m)
	m.finish(LeaveLeft, func() bool { return m.conn == c })
}

// lose notes that a connection has ended. The session stays in the list for the grace, in case the
// client comes back.
func (m *member) lose(c *Conn) {
	r := m.room
	r.mu.Lock()
	if m.conn != c {
		r.mu.Unlock()
		return
	}
	m.conn, m.lost = nil, time.Now()
	r.stirLocked()
	r.unlistLocked(m)
	r.mu.Unlock()
}

// expire takes a session out of the list whose client did not come back within the grace.
func (m *member) expire(now time.Time) {
	m.finish(LeaveDisconnected, func() bool { return m.conn == nil && now.Sub(m.lost) >= m.room.hub.cfg.Grace })
}

// forbid ends a session whose right to the room was taken away on a connection. One that has moved on from there,
// or was asked about again since, stays.
func (m *member) forbid(c *Conn, turn uint64) {
	m.finish(LeaveForbidden, func() bool { return m.conn == c && turn >= m.turn })
}

// end ends a session that its client did not leave by itself, and tells it.
func (m *member) end(reason LeaveReason) {
	m.finish(reason, func() bool { return true })
}

// finish takes a member out of its room if, under the room's lock, that is still right. Its session ends
// for good unless it can be resumed or lives on elsewhere.
func (m *member) finish(reason LeaveReason, right func() bool) {
	r, h := m.room, m.room.hub
	c, p, ok := r.drop(m, reason, right)
	if !ok {
		return
	}
	if locks := m.lockNames(reason); len(locks) > 0 {
		h.spawn(func() { m.releaseLocks(locks) })
	}
	if c != nil && reason != LeaveLeft {
		m.dismiss(c, reason)
	}
	if m.session == "" {
		return
	}
	switch reason {
	case LeaveReplaced:
		r.announce(peerList) // whoever still shows it as ours is told otherwise
	case LeaveDisconnected:
		h.keep(m) // without an instance, to be resumed
	default:
		h.forget(m)
	}
	if h.cfg.OnLeave != nil {
		h.hook("OnLeave", func() { h.cfg.OnLeave(r.id, p, shownAs(reason)) })
	}
}

// shownAs returns the reason that others see.
func shownAs(reason LeaveReason) LeaveReason {
	if reason == LeaveForbidden || reason == LeaveDeleted {
		return LeaveKicked
	}
	return reason
}

// dismiss tells a connection that a membership is over. One that loses its last room by a kick or a
// take-over is closed.
func (m *member) dismiss(c *Conn, reason LeaveReason) {
	left := c.dropMember(m)
	c.send(leftFrame(m.room.id, reason))
	if left > 0 {
		return
	}
	switch reason {
	case LeaveKicked:
		c.Close(ByeKicked)
	case LeaveReplaced:
		c.Close(ByeReplaced)
	}
}
