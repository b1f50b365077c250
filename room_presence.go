package flow

import (
	"time"
)

const (
	// presenceWindow is how long changes of presence are collected into one frame: 33 frames a second are
	// as smooth as a cursor gets, whatever the number of people who move. One who moves alone is shown at
	// once.
	presenceWindow = 30 * time.Millisecond
	// longestWindow is that of the largest frames.
	longestWindow = time.Second
	// memberBytes is how much presence a member is sent a second, and roomBytes all members of a room
	// together: the window grows with the frames that it makes.
	memberBytes = 512 << 10
	roomBytes   = 64 << 20
)

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
	wait, err := mem.move(parsePresence(m.data), c.now)
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
func (m *member) move(patch presence, now time.Time) (wait time.Duration, err error) {
	r := m.room
	limits := r.hub.cfg.Limits
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := m.moves.take(now, limits.PresencePerSecond); wait > 0 {
		return wait, nil
	}
	if key := patch.reserved(); key != "" {
		return 0, errReserved(key)
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
	before := m.state
	state = state.merge(presence{m.shownLocks()}) // what a store or an earlier look said may be over
	m.state = state
	if !isNew {
		if patch := before.diff(state); len(patch) > 0 {
			r.movedLocked(m.session, patch)
		}
		return
	}
	r.rosterGrewLocked(m)
	for _, d := range r.left {
		if d.session == m.session {
			r.showLocked() // a frame tells joins before leaves
			break
		}
	}
	r.introduceLocked(m.session)
}

// introduceLocked shows a session with all that is known of it.
func (r *room) introduceLocked(session string) {
	r.changeLocked(session).joined = true
	r.gatherLocked()
}

func (r *room) movedLocked(session string, patch presence) {
	r.rosterChangedLocked()
	ch := r.changeLocked(session)
	for _, key := range patch {
		ch.keys = ch.keys.with(key)
	}
	r.tickLocked(time.Now(), 0)
}

func (r *room) leftLocked(session string, reason LeaveReason) {
	r.left = append(r.left, departure{session, shownAs(reason)})
	r.news++
	r.gatherLocked()
}

func (r *room) changeLocked(session string) *change {
	r.news++
	ch := r.changes[session]
	if ch == nil {
		ch = &change{}
		r.changes[session] = ch
	}
	return ch
}

// gatherLocked has those who come and go shown, when others had time to come with them.
func (r *room) gatherLocked() {
	now := time.Now()
	r.tickLocked(now, r.hub.crowd.gather(now))
}

// tickLocked makes sure that a presence frame goes out: after a quiet time when so much has passed, else at
// the end of the window.
func (r *room) tickLocked(now time.Time, after time.Duration) {
	wait := max(after, r.window-now.Sub(r.shown))
	due := now.Add(wait)
	if r.ticking && !due.Before(r.due) {
		return
	}
	r.ticking, r.due = true, due
	if r.ticker == nil {
		r.ticker = time.AfterFunc(wait, r.show)
		return
	}
	r.ticker.Reset(wait)
}

func (r *room) show() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ticking = false
	r.showLocked()
}

// windowOf returns how long to wait after a frame of so many bytes.
func windowOf(bytes, members int) time.Duration {
	perMember := time.Duration(bytes) * time.Second / memberBytes
	perRoom := time.Duration(bytes*members) * time.Second / roomBytes
	return min(max(presenceWindow, perMember, perRoom), longestWindow)
}

// showLocked sends what changed to everybody here, and to the other instances.
func (r *room) showLocked() {
	if len(r.changes) == 0 && len(r.left) == 0 {
		return
	}
	r.shown = time.Now()
	f := r.changesFrameLocked()
	r.window = windowOf(len(f.JSON), len(r.list))
	r.hub.stats.encoded.Add(1)
	for _, m := range r.list {
		if m.news < r.news { // else the list that it was given has all of it
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

// freshenLocked gives a member that missed a presence frame the whole list.
func (r *room) freshenLocked(m *member) {
	if m.stale {
		m.stale, m.news = false, r.news
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
