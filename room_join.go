package flow

import (
	"context"
	"time"
)

// Protocol is the name of the wire contract and of the WebSocket sub-protocol.
const Protocol = "flow.v1"

// entry is where a member's stream of operations starts, and why.
type entry struct {
	position Position
	head     Position
	resumed  bool
	reason   string // why a given position was not resumed
	last     uint64 // the session's last n in the log
	known    bool   // the log could be asked
	snapshot *Snapshot
}

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
	return r.admit(ctx, c, m.id, session, access, at)
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

// locate finds where a stream starts: at the position, if it is in the log, else at the newest
// snapshot, else at the first operation kept.
func (r *room) locate(ctx context.Context, session, position string) (entry, error) {
	var at Position
	if position != "" {
		at, _ = ParsePosition(position) // a bad one was refused before; a stream's reads as the start
	}
	page, err := r.hub.cfg.Log.Read(ctx, r.id, Query{After: at, Session: session})
	e := entry{position: at, head: page.Head, last: page.Last, known: true}
	switch ErrorCode(err) {
	case "":
		e.resumed = position != ""
		if e.resumed || page.Snapshot.Seq == 0 {
			return e, nil
		}
	case CodeTrimmed:
		e.reason = "trimmed"
	case CodeDiverged:
		e.reason = "diverged"
	case CodeUnavailable:
		return r.guess(at, position != ""), nil
	default:
		return e, err
	}
	return r.fromSnapshot(ctx, e, page, position != "")
}

// guess starts a stream while the log is away: a position cannot be judged, so it is taken as good.
func (r *room) guess(at Position, given bool) entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	head := r.seq.head
	if head.Seq < at.Seq {
		head = at
	}
	return entry{position: at, head: head, resumed: given}
}

// fromSnapshot starts a stream at the newest snapshot, or at the first operation kept.
func (r *room) fromSnapshot(ctx context.Context, e entry, page Page, given bool) (entry, error) {
	e.position = page.Base
	if page.Snapshot.Seq == 0 {
		return e, nil
	}
	s, err := r.hub.cfg.Log.Snapshot(ctx, r.id)
	switch ErrorCode(err) {
	case "":
		e.position, e.snapshot = s.Position, &s
		if !given {
			e.reason = ""
		}
		return e, nil
	case CodeNotFound:
		return e, nil
	default:
		return e, err
	}
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
	h.control.send(peerMessage{Kind: peerTake, Room: m.room.id, Session: m.session})
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

// Watch takes a stream of one room that reads along and is no participant. position is the one the
// client has, "" for none; a bad one starts from the beginning. Errors as of a join.
func (h *Hub) Watch(ctx context.Context, t Transport, user User, roomID, position string) (*Conn, error) {
	if err := h.Require(ctx, user, roomID, Viewer); err != nil {
		return nil, err
	}
	given := position != ""
	if _, err := ParsePosition(position); err != nil {
		position = ""
	}
	r, err := h.enter(roomID)
	if err != nil {
		return nil, err
	}
	defer r.exit()
	at, err := r.locate(ctx, "", position)
	if err != nil {
		return nil, err
	}
	if given && position == "" {
		at.reason = "diverged"
	}
	c := newConn(h, t, &user)
	c.stream = true
	if err := h.addConn(c); err != nil {
		return nil, err
	}
	m := &member{room: r, user: user}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.addMember(m)
	m.attachLocked(c, Viewer, at)
	c.send(r.joinedFrame("", m, at))
	r.startLocked(m, at)
	return c, nil
}

func errStale() *Error {
	return Errorf(CodeStaleSession, "this session cannot be resumed, join again without resume")
}

func errPresenceTooLarge() *Error {
	return Errorf(CodeTooLarge, "the merged presence object is larger than presenceBytes")
}
