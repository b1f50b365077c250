package flow

import (
	"bytes"
	"encoding/json"
	"time"
)

// presenceWindow is how long changes of presence are collected into one frame: 25 frames a second are
// as smooth as a cursor gets, whatever the number of people who move.
const presenceWindow = 40 * time.Millisecond

// change is what happened to a session of this instance since the last presence frame.
type change struct {
	joined bool
	keys   presence // newest wins; nil values remove
}

// departure is a session that left since the last presence frame.
type departure struct {
	session string
	reason  LeaveReason
}

// remote is a session of another instance.
type remote struct {
	instance string
	user     string
	profile  Profile
	joined   int64
	state    presence
}

func (p *remote) participant(session string) Participant {
	return Participant{Session: session, User: p.user, Profile: p.profile, Presence: p.state.appendTo(nil), Joined: p.joined}
}

// presence takes a change of a client's presence.
func (c *Conn) presence(m *message) {
	mem := c.inRoom(m, Viewer)
	if mem == nil {
		return
	}
	if m.data == nil || m.data[0] != '{' {
		c.refuse(m, Errorf(CodeInvalidMessage, "data must be an object"))
		return
	}
	c.hub.stats.presence.Add(1)
	wait, err := mem.move(parsePresence(m.data))
	switch {
	case wait > 0:
		c.limited(wait, func(err error) { c.refuse(m, err) })
	case err != nil:
		c.refuse(m, err)
	default:
		c.done(m)
	}
}

// move merges a patch into a session's presence.
func (m *member) move(patch presence) (wait time.Duration, err error) {
	r := m.room
	limits := r.hub.cfg.Limits
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := m.moves.take(time.Now(), limits.PresencePerSecond); wait > 0 {
		return wait, nil
	}
	merged := m.state.merge(patch)
	if merged.size() > limits.PresenceBytes {
		return 0, errPresenceTooLarge()
	}
	if m.gone {
		return 0, nil
	}
	m.state, m.unsaved = merged, true
	r.movedLocked(m.session, patch)
	return 0, nil
}

// enterLocked shows a session that was admitted. One that comes back within its grace was never away,
// and is shown only if it brought something new.
func (r *room) enterLocked(m *member, state presence, isNew bool) {
	before := m.state.appendTo(nil)
	m.state = state
	if !isNew {
		if !bytes.Equal(before, state.appendTo(nil)) {
			r.movedLocked(m.session, state)
		}
		return
	}
	for _, d := range r.left {
		if d.session == m.session {
			r.showLocked() // a frame tells joins before leaves
			break
		}
	}
	r.changeLocked(m.session).joined = true
}

func (r *room) movedLocked(session string, patch presence) {
	ch := r.changeLocked(session)
	for _, key := range patch {
		ch.keys = ch.keys.with(key)
	}
}

func (r *room) leftLocked(session string, reason LeaveReason) {
	if reason == LeaveForbidden || reason == LeaveDeleted {
		reason = LeaveKicked
	}
	delete(r.changes, session)
	r.left = append(r.left, departure{session, reason})
	r.tickLocked()
}

func (r *room) changeLocked(session string) *change {
	ch := r.changes[session]
	if ch == nil {
		ch = &change{}
		r.changes[session] = ch
	}
	r.tickLocked()
	return ch
}

// tickLocked makes sure that a presence frame goes out: at once after a quiet time, else at the end of
// the window.
func (r *room) tickLocked() {
	if r.ticking {
		return
	}
	r.ticking = true
	time.AfterFunc(max(time.Millisecond, presenceWindow-time.Since(r.shown)), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ticking = false
		r.showLocked()
	})
}

// showLocked sends what changed to everybody here, and to the other instances.
func (r *room) showLocked() {
	if len(r.changes) == 0 && len(r.left) == 0 {
		return
	}
	r.shown = time.Now()
	only := ""
	if len(r.changes) == 1 && len(r.left) == 0 {
		for session, ch := range r.changes {
			if ch.joined {
				only = session // its own list has it already
			}
		}
	}
	f := r.changesFrameLocked()
	r.hub.stats.encoded.Add(1)
	for _, m := range r.list {
		if m.session == "" || m.session != only {
			m.show(f)
		}
	}
	clear(r.changes)
	r.left = r.left[:0]
	r.peers.send(peerMessage{Kind: peerPresence, Frame: f.JSON})
}

// changesFrameLocked encodes the changes of the window.
func (r *room) changesFrameLocked() *Frame {
	buf := appendField(frameOf("presence"), "room", r.id)
	var joined []Participant
	for session, ch := range r.changes {
		if m := r.members[session]; ch.joined && m != nil {
			joined = append(joined, m.participant())
		}
	}
	if len(joined) > 0 {
		buf = appendParticipants(appendName(buf, "join"), joined)
	}
	buf = r.appendUpdatesLocked(buf)
	if len(r.left) > 0 {
		buf = appendDepartures(buf, r.left)
	}
	return seal("presence", buf)
}

func appendDepartures(buf []byte, left []departure) []byte {
	buf = append(appendName(buf, "leave"), '[')
	for i, d := range left {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(append(buf, `{"session":`...), d.session)
		buf = append(appendField(buf, "reason", string(d.reason)), '}')
	}
	return append(buf, ']')
}

func (r *room) appendUpdatesLocked(buf []byte) []byte {
	open := false
	for session, ch := range r.changes {
		if ch.joined || len(ch.keys) == 0 {
			continue
		}
		if !open {
			buf = append(appendName(buf, "update"), '{')
		} else {
			buf = append(buf, ',')
		}
		open = true
		buf = append(appendString(buf, session), ':')
		buf = ch.keys.appendTo(buf)
	}
	if open {
		buf = append(buf, '}')
	}
	return buf
}

// resetFrameLocked encodes the whole list.
func (r *room) resetFrameLocked() *Frame {
	buf := appendField(frameOf("presence"), "room", r.id)
	buf = appendRaw(buf, "reset", []byte("true"))
	return seal("presence", appendParticipants(appendName(buf, "join"), r.participantsLocked()))
}

// freshenLocked gives a member that missed a presence frame the whole list.
func (r *room) freshenLocked(m *member) {
	if m.stale {
		m.stale = false
		m.conn.send(r.resetFrameLocked())
	}
}

func appendParticipants(buf []byte, all []Participant) []byte {
	buf = append(buf, '[')
	for i, p := range all {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendParticipant(buf, p)
	}
	return append(buf, ']')
}

// presenceMessage is a presence frame as another instance reads it.
type presenceMessage struct {
	Join   []Participant              `json:"join"`
	Update map[string]json.RawMessage `json:"update"`
	Leave  []struct {
		Session string      `json:"session"`
		Reason  LeaveReason `json:"reason"`
	} `json:"leave"`
}

// heardPresence takes another instance's presence frame: its bytes go on to the members as they are.
func (r *room) heardPresence(instance string, frame []byte) {
	var pm presenceMessage
	if err := json.Unmarshal(frame, &pm); err != nil {
		r.hub.log.Debug("presence from another instance cannot be read", "room", r.id, "instance", instance, "error", err)
		return
	}
	f := &Frame{Type: "presence", JSON: frame}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range pm.Join {
		r.remoteLocked(instance, p)
	}
	for session, patch := range pm.Update {
		if p := r.remote[session]; p != nil && p.instance == instance && len(patch) > 0 && patch[0] == '{' {
			p.state = p.state.merge(parsePresence(patch))
		}
	}
	for _, d := range pm.Leave {
		if p := r.remote[d.Session]; p != nil && p.instance == instance {
			delete(r.remote, d.Session)
		}
	}
	for _, m := range r.list {
		m.show(f)
	}
}

func (r *room) remoteLocked(instance string, p Participant) {
	r.remote[p.Session] = &remote{
		instance: instance, user: p.User, profile: p.Profile, joined: p.Joined, state: parsePresence(p.Presence),
	}
}

// heardList takes another instance's whole list of a room: who is not in it has left.
func (r *room) heardList(instance string, frame []byte) {
	var pm presenceMessage
	if err := json.Unmarshal(frame, &pm); err != nil {
		r.hub.log.Debug("a list from another instance cannot be read", "room", r.id, "instance", instance, "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.remote)
	for session, p := range r.remote {
		if p.instance == instance {
			delete(r.remote, session)
		}
	}
	for _, p := range pm.Join {
		r.remoteLocked(instance, p)
	}
	if before > 0 || len(r.remote) > 0 {
		r.resetLocked()
	}
}

// resetLocked gives everybody the whole list.
func (r *room) resetLocked() {
	f := r.resetFrameLocked()
	for _, m := range r.list {
		m.show(f)
	}
}

// bury forgets the sessions of an instance that is gone.
func (r *room) bury(instance string, reason LeaveReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []departure
	for session, p := range r.remote {
		if p.instance == instance {
			delete(r.remote, session)
			left = append(left, departure{session, reason})
		}
	}
	if len(left) == 0 {
		return
	}
	buf := appendField(frameOf("presence"), "room", r.id)
	f := seal("presence", appendDepartures(buf, left))
	for _, m := range r.list {
		m.show(f)
	}
}

// ownLocked encodes this instance's own sessions for the others.
func (r *room) ownLocked() []byte {
	own := make([]Participant, 0, len(r.members))
	for _, m := range r.members {
		own = append(own, m.participant())
	}
	buf := appendField(frameOf("presence"), "room", r.id)
	return seal("presence", appendParticipants(appendName(buf, "join"), own)).JSON
}
