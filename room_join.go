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
	if wait := c.payer.take(payJoins, 1, time.Now()); wait > 0 {
		c.turnAway(m, wait, true)
		return
	}
	if err := c.tryJoin(context.Background(), m); err != nil {
		c.refuse(m, err)
	}
}

func (c *Conn) tryJoin(ctx context.Context, m *message) error {
	_, turn := c.askingTurn()
	access, err := c.mayJoin(ctx, m)
	if err != nil {
		return err
	}
	session, err := c.claim(ctx, m)
	if err != nil {
		return err
	}
	if m.presence != nil {
		patch := parsePresence(m.presence)
		if key := patch.reserved(); key != "" {
			return errReserved(key)
		}
		state := parsePresence(session.Presence).merge(patch)
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
	if err := r.takeJoin(time.Now()); err != nil {
		return err
	}
	at, err := r.locate(ctx, session.ID, m.position)
	if err != nil {
		return err
	}
	fresh := m.resume == "" && c.member(m.room) == nil
	a := admission{conn: c, id: m.id, session: session, fresh: fresh, access: access, turn: turn, at: at}
	a.lasts = !fresh || c.payer.takeSession(time.Now())
	if err := r.admit(ctx, a); err != nil {
		return err
	}
	if m.resume != "" { // whoever had it lets it go
		c.hub.control.send(peerMessage{Kind: peerTake, Room: r.id, Session: session.ID})
	}
	r.regainLocks(session.ID)
	if _, now := c.askingTurn(); now != turn { // rights may have changed meanwhile
		if mem := c.member(m.room); mem != nil {
			c.hub.reauthorizeEntry(ctx, c, mem)
		}
	}
	return nil
}

// takeJoin takes one join from what the room takes a second.
func (r *room) takeJoin(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := r.joins.take(now, r.hub.cfg.Quotas.RoomJoinsPerSecond)
	return overLimit("too many people join this room, try again", wait)
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
	fresh := Session{Room: m.room, User: *c.user, Joined: time.Now().UnixMilli()}
	var id string
	var unsaved time.Time
	if m.resume != "" {
		name, good := verifyResume(c.hub.cfg.Secrets(), m.resume, m.room, *c.user)
		if !good {
			return Session{}, errStale()
		}
		id, unsaved = sessionOf(name)
		c.hub.heed(unsaved)
	}
	if mem := c.member(m.room); mem != nil {
		if m.resume != "" && id != mem.session {
			return Session{}, errStale()
		}
		return mem.snapshotRecord(), nil
	}
	if m.resume == "" {
		fresh.ID = newID()
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
		if !c.hub.livesUnsaved(ctx, m.room, id, unsaved) {
			return Session{}, errStale()
		}
		fresh.ID = id
		return fresh, nil
	default: // the store is away; the signature says enough
		fresh.ID = id
		return fresh, nil
	}
	mine := stored.User.Anonymous == c.user.Anonymous && (c.user.Anonymous || stored.User.ID == c.user.ID)
	if stored.Room != m.room || !mine {
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

// admission is a join that was allowed.
type admission struct {
	conn    *Conn
	id      string // of the request
	session Session
	fresh   bool // the session begins with this join
	lasts   bool // it may outlive its socket
	access  Access
	turn    uint64 // of access, see Conn.askingTurn
	at      entry
}

// admit makes a connection a member of the room: new, back again, or with its stream restarted.
func (r *room) admit(ctx context.Context, a admission) error {
	h, s := r.hub, &a.session
	s.Instance, s.Claimed = h.cfg.Instance, max(time.Now().UnixMilli(), s.Claimed+1) // clocks may differ
	s.User.Name, s.User.Picture = a.conn.user.Name, a.conn.user.Picture
	saved := h.cfg.Sessions.Put(ctx, *s) == nil
	if h.hasEnded(s.ID) { // a kick came between
		h.forgetID(s.ID)
		return errStale()
	}
	name := s.ID
	if !saved {
		name = unsavedName(s.ID, time.Now())
		h.doubt()
	}
	token := signResume(h.cfg.Secrets()[0], name, r.id, s.User)
	r.mu.Lock()
	a.at.known = a.at.known && a.at.era == r.seq.era // else the room has left that history since
	m, before, err := r.seatLocked(a)
	if err != nil {
		r.mu.Unlock()
		if a.fresh {
			h.forgetID(s.ID) // it was never told to anybody
		}
		return err
	}
	isNew := m.conn == nil && m.lost.IsZero()
	if !a.conn.addMember(m) { // the client is gone, nobody waits for an answer
		if isNew {
			m.gone = true
			r.forgetLocked(m)
		}
		r.mu.Unlock()
		return nil
	}
	m.claimed = s.Claimed
	m.unsure = m.unsure || isNew && !a.fresh && h.cfg.Leases != nil
	m.attachLocked(a.conn, a.access, a.turn, a.at)
	r.enterLocked(m, parsePresence(s.Presence), isNew)
	m.unsaved = !saved || !a.fresh // who had a session before may write it once more, after us
	r.seq.admit(m.session, a.at.last, a.at.head, a.at.known)
	if !a.at.known { // it may come from an instance whose operations were delivered here
		r.seq.learn(m.session, r.ring.newestOf(m.session))
	}
	a.conn.send(r.joinedFrame(a.id, m, a.at, token))
	r.relayTo(m) // ahead of what is confirmed: something of it may wait still
	r.startLocked(m, a.at)
	p := m.participant()
	r.mu.Unlock()
	if before != nil {
		m.dismiss(before, LeaveReplaced)
	}
	if isNew && h.cfg.OnJoin != nil {
		h.hook("OnJoin", func() { h.cfg.OnJoin(r.id, p) })
	}
	return nil
}

// seatLocked returns the member of an admission, and the connection that it has had until now.
func (r *room) seatLocked(a admission) (m *member, before *Conn, err error) {
	s := a.session
	if r.deleted {
		return nil, nil, errDeleted()
	}
	if m := r.members[s.ID]; m != nil {
		if m.conn != a.conn {
			before = m.conn
		}
		if m.user.Name != s.User.Name || m.user.Picture != s.User.Picture {
			m.user.Name, m.user.Picture = s.User.Name, s.User.Picture
			r.rosterChangedLocked()
		}
		return m, before, nil
	}
	if r.fullLocked(s.ID) {
		return nil, nil, &Error{Code: CodeRoomFull, Message: "the room is full", RetryAfter: 5 * time.Second}
	}
	if r.remote[s.ID] != nil { // it is here now
		delete(r.remote, s.ID)
		r.rosterChangedLocked()
	}
	m = &member{room: r, session: s.ID, user: s.User, joined: s.Joined, fleeting: !a.lasts}
	r.members[s.ID] = m
	r.hub.stats.sessions.Add(1)
	return m, nil, nil
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
func (m *member) attachLocked(c *Conn, access Access, turn uint64, at entry) {
	m.conn, m.lost = c, time.Time{}
	m.level, m.turn = access, turn
	m.cursor = at.position
	m.streams++
	m.reads = m.room.reads
	m.behind, m.stale = false, false
	m.guessed = !at.known && at.position.Seq > 0 && !m.room.ring.contains(at.position)
	m.grantCredit()
	m.room.listLocked(m)
}

// startLocked begins to feed a member that was told where its stream starts.
func (r *room) startLocked(m *member, at entry) {
	if at.head.Seq > r.seq.head.Seq {
		r.readLocked()
	}
	// What the ring has goes with joined in one write: with 20 operations missed a return takes 10 us instead of 15.
	m.behind = m.guessed || m.cursor.Seq < max(r.seq.head.Seq, at.head.Seq)
	if m.behind && (m.relaying || !m.feedLocked(m.conn)) {
		m.conn.lag(m)
	}
}

// joinedBytes is what a joined takes without its participants and its snapshot, if ids are not very long.
const joinedBytes = 512

// joinedFrame encodes the answer to a join, with the token that resumes the session. The room's lock is
// held.
func (r *room) joinedFrame(id string, m *member, at entry, token string) *Frame {
	h := r.hub
	head := at.head
	if r.seq.head.Seq > head.Seq {
		head = r.seq.head
	}
	participants := r.rosterLocked()
	m.news = r.news
	size := joinedBytes + len(participants)
	if at.snapshot != nil {
		size += len(at.snapshot.Data)
	}
	buf := appendOptional(roomyFrame("joined", size), "id", id)
	buf = appendField(buf, "room", r.id)
	if m.session != "" {
		buf = appendField(buf, "session", m.session)
		buf = appendField(buf, "resume", token)
	}
	buf = appendField(buf, "access", m.level.String())
	buf = appendRaw(buf, "resumed", []byte(boolText(at.resumed)))
	buf = appendOptional(buf, "reason", at.reason)
	if at.known && m.session != "" {
		buf = appendNumber(buf, "n", int64(at.last))
	}
	buf = appendField(buf, "position", at.position.String())
	buf = appendField(buf, "head", head.String())
	if at.snapshot != nil {
		buf = appendString(append(buf, `,"snapshot":{"position":`...), at.snapshot.Position.String())
		buf = append(appendRaw(buf, "data", at.snapshot.Data), '}')
	}
	buf = append(appendRaw(buf, "participants", participants), ']')
	buf = appendField(buf, "state", string(worse(r.hub.told(), r.told)))
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
