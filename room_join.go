package flow

import (
	"context"
	"time"
)

// Protocol is the name of the wire contract and of the WebSocket sub-protocol.
const Protocol = "flow.v1"

func (c *Conn) join(m *message) {
	if !c.needID(m) {
		return
	}
	if err := c.tryJoin(context.Background(), m); err != nil {
		c.refuse(m, err)
	}
}

func (c *Conn) tryJoin(ctx context.Context, m *message) error {
	access, err := c.mayJoin(ctx, m)
	if err != nil {
		return err
	}
	session, err := c.claim(ctx, m)
	if err != nil {
		return err
	}
	if m.presence != nil {
		state := parsePresence(session.Presence).merge(parsePresence(m.presence))
		if state.size() > c.hub.cfg.Limits.PresenceBytes {
			return errPresenceTooLarge()
		}
		session.Presence = state.appendTo(nil)
	}
	r, err := c.hub.enter(m.room)
	if err != nil {
		return err
	}
	defer r.exit()
	at, err := r.locate(ctx, session.ID, m.position)
	if err != nil {
		return err
	}
	if err := r.admit(ctx, c, m.id, session, access, at); err != nil {
		return err
	}
	if m.resume != "" { // whoever had it lets it go
		c.hub.control.send(peerMessage{Kind: peerTake, Room: r.id, Session: session.ID})
	}
	return nil
}

// mayJoin checks what does not need the room.
func (c *Conn) mayJoin(ctx context.Context, m *message) (Access, error) {
	access, err := c.hub.access(ctx, *c.user, m.room)
	if err != nil {
		return None, err
	}
	if access < Viewer {
		return None, errForbidden()
	}
	if m.position != "" {
		if _, err := ParsePosition(m.position); err != nil {
			return None, err
		}
	}
	c.mu.Lock()
	joined := len(c.members)
	c.mu.Unlock()
	if joined >= c.hub.cfg.Limits.Rooms && c.member(m.room) == nil {
		return None, Errorf(CodeTooManyRooms, "this connection has joined as many rooms as it may")
	}
	return access, nil
}

// claim returns the session that a join speaks of: the one it has on this socket, the one its resume
// token names, or a new one.
func (c *Conn) claim(ctx context.Context, m *message) (Session, error) {
	fresh := Session{ID: newID(), Room: m.room, User: *c.user, Joined: time.Now().UnixMilli()}
	id, good := verifyResume(c.hub.cfg.Secrets(), m.resume, m.room, *c.user)
	if m.resume != "" && !good {
		return Session{}, errStale()
	}
	if mem := c.member(m.room); mem != nil {
		if m.resume != "" && id != mem.session {
			return Session{}, errStale()
		}
		return mem.snapshotRecord(), nil
	}
	if m.resume == "" {
		return fresh, nil
	}
	if c.hub.hasEnded(id) {
		return Session{}, errStale()
	}
	if r := c.hub.peek(m.room); r != nil {
		if s, ok := r.record(id); ok {
			return s, nil
		}
	}
	stored, err := c.hub.cfg.Sessions.Get(ctx, id)
	switch ErrorCode(err) {
	case "":
	case CodeNotFound:
		return Session{}, errStale()
	default: // the store is away; the signature says enough
		fresh.ID = id
		return fresh, nil
	}
	if stored.Room != m.room || stored.User.Anonymous != c.user.Anonymous || (!c.user.Anonymous && stored.User.ID != c.user.ID) {
		return Session{}, errStale()
	}
	return stored, nil
}

// record returns a session that this instance holds.
func (r *room) record(session string) (Session, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[session]
	if m == nil {
		return Session{}, false
	}
	return m.record(), true
}

func (m *member) snapshotRecord() Session {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	return m.record()
}

// admit makes a connection a member of the room: new, back again, or with its stream restarted.
func (r *room) admit(ctx context.Context, c *Conn, id string, s Session, access Access, at entry) error {
	h := r.hub
	s.Instance = h.cfg.Instance
	s.User.Name, s.User.Picture = c.user.Name, c.user.Picture
	saved := h.cfg.Sessions.Put(ctx, s) == nil
	r.mu.Lock()
	if r.deleted {
		r.mu.Unlock()
		return Errorf(CodeRoomDeleted, "the room was deleted")
	}
	m := r.members[s.ID]
	isNew := m == nil
	if isNew && r.fullLocked(s.ID) {
		r.mu.Unlock()
		_ = h.cfg.Sessions.Delete(ctx, s.ID) // it was never told to anybody; the TTL ends it if this fails
		return &Error{Code: CodeRoomFull, Message: "the room is full", RetryAfter: 5 * time.Second}
	}
	var before *Conn
	if isNew {
		m = &member{room: r, session: s.ID, user: s.User, joined: s.Joined}
		r.members[s.ID] = m
		h.stats.sessions.Add(1)
	} else if m.conn != c {
		before = m.conn
	}
	if !c.addMember(m) {
		r.mu.Unlock()
		if isNew {
			m.remove(LeaveLeft)
		}
		return nil // the client is gone, nobody waits for an answer
	}
	m.attachLocked(c, access, at)
	r.enterLocked(m, parsePresence(s.Presence), isNew)
	m.unsaved = !saved
	r.seq.admit(m.session, at.last, at.known)
	c.send(r.joinedFrame(id, m, at))
	r.startLocked(m, at)
	p := m.participant()
	r.mu.Unlock()
	if before != nil {
		m.dismiss(before, LeaveReplaced)
	}
	h.admitted(m, p, isNew, saved)
	return nil
}

// admitted does what follows an admission outside the room's lock.
func (h *Hub) admitted(m *member, p Participant, isNew, saved bool) {
	if !isNew {
		return
	}
	if !saved {
		h.keep(m)
	}
	if h.cfg.OnJoin != nil {
		h.hook("OnJoin", func() { h.cfg.OnJoin(m.room.id, p) })
	}
}

// fullLocked reports whether one more session does not fit. One that is known elsewhere moves here.
func (r *room) fullLocked(session string) bool {
	if r.remote[session] != nil {
		return false
	}
	count := len(r.members)
	for id := range r.remote {
		if r.members[id] == nil {
			count++
		}
	}
	return count >= r.hub.cfg.Limits.Participants
}

// attachLocked gives a member its connection and the start of its stream.
func (m *member) attachLocked(c *Conn, access Access, at entry) {
	m.conn, m.lost = c, time.Time{}
	m.level = access
	m.cursor = at.position
	m.streams++
	m.behind, m.stale = false, false
	m.grantCredit()
	m.room.listLocked(m)
}

// startLocked begins to feed a member that was told where its stream starts.
func (r *room) startLocked(m *member, at entry) {
	if at.head.Seq > r.seq.head.Seq {
		r.readLocked()
	}
	if m.cursor.Seq < max(r.seq.head.Seq, at.head.Seq) {
		m.behind = true
		m.conn.lag(m)
	}
}

// joinedFrame encodes the answer to a join. The room's lock is held.
func (r *room) joinedFrame(id string, m *member, at entry) *Frame {
	h := r.hub
	head := at.head
	if r.seq.head.Seq > head.Seq {
		head = r.seq.head
	}
	buf := appendOptional(frameOf("joined"), "id", id)
	buf = appendField(buf, "room", r.id)
	if m.session != "" {
		buf = appendField(buf, "session", m.session)
		buf = appendField(buf, "resume", signResume(h.cfg.Secrets()[0], m.session, r.id, m.user))
	}
	buf = appendField(buf, "access", m.level.String())
	buf = appendRaw(buf, "resumed", []byte(boolText(at.resumed)))
	buf = appendOptional(buf, "reason", at.reason)
	if at.known && m.session != "" {
		buf = appendNumber(buf, "n", int64(at.last)) //nolint:gosec // at most 2^53-1
	}
	buf = appendField(buf, "position", at.position.String())
	buf = appendField(buf, "head", head.String())
	if at.snapshot != nil {
		buf = appendString(append(buf, `,"snapshot":{"position":`...), at.snapshot.Position.String())
		buf = append(appendRaw(buf, "data", at.snapshot.Data), '}')
	}
	buf = appendParticipants(appendName(buf, "participants"), r.participantsLocked())
	buf = appendField(buf, "state", string(h.State()))
	return seal("joined", appendField(buf, "durability", h.durability()))
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func errStale() *Error {
	return Errorf(CodeStaleSession, "this session cannot be resumed, join again without resume")
}

func errPresenceTooLarge() *Error {
	return Errorf(CodeTooLarge, "the merged presence object is larger than presenceBytes")
}
