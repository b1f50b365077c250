package flow

import (
	"slices"
	"time"
)

// remote is a session of another instance.
type remote struct {
	instance string
	user     string
	profile  Profile
	joined   int64
	state    presence
}

func (p *remote) participant(session string) Participant {
	return Participant{
		Session: session, User: p.user, Profile: p.profile, Presence: p.state.appendTo(nil), Joined: p.joined,
	}
}

// appendTo appends the session as others see it.
func (p *remote) appendTo(buf []byte, session string) []byte {
	buf = appendWho(buf, session, p.user, p.profile)
	return append(appendNumber(p.state.appendTo(appendName(buf, "presence")), "joined", p.joined), '}')
}

// heardPresence takes another instance's presence frame. It goes on to the members, unless it speaks of sessions
// that are not the sender's any more: then everybody gets the whole list.
func (r *room) heardPresence(instance string, frame []byte) {
	pm, err := readPresence(r.id, frame)
	if err != nil {
		r.hub.strange(instance, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rosterChangedLocked()
	clean := true
	for _, p := range pm.Join {
		clean = r.remoteLocked(instance, p) && clean && r.members[p.Session] == nil
	}
	r.contestLocked(pm.Join)
	for session, patch := range pm.Update {
		p := r.remote[session]
		if p == nil || p.instance != instance {
			clean = false
			continue
		}
		merged := p.state.merge(parsePresence(patch))
		if !merged.fits(r.hub.cfg.Limits.PresenceBytes) {
			clean = false
			continue
		}
		p.state = merged
	}
	for _, d := range pm.Leave {
		p := r.remote[d.Session]
		if r.members[d.Session] != nil || p != nil && p.instance != instance {
			clean = false
			continue
		}
		delete(r.remote, d.Session)
	}
	if !clean {
		r.resetLocked()
		return
	}
	f := pm.frame()
	for _, m := range r.list {
		m.show(f)
	}
}

// remoteLocked notes a participant of another instance; false when it is not to be shown.
func (r *room) remoteLocked(instance string, p Participant) bool {
	if r.hub.parted.has(p.Session) { // it ended here, and the other one has not heard of that yet
		return false
	}
	limits, state := r.hub.cfg.Limits, parsePresence(p.Presence)
	// Instances that let people in at the same time may let in some too many, but not that many.
	full := r.remote[p.Session] == nil && len(r.remote) >= 4*limits.Participants
	if full || !state.fits(limits.PresenceBytes) {
		return false
	}
	// It has left here and come there, and those who are waited for are told of the leave after that.
	r.left = slices.DeleteFunc(r.left, func(d departure) bool { return d.session == p.Session })
	r.remote[p.Session] = &remote{
		instance: instance, user: p.User, profile: p.Profile, joined: p.Joined, state: state,
	}
	return true
}

// heardList takes another instance's whole list of a room: who is not in it has left.
func (r *room) heardList(instance string, frame []byte) {
	pm, err := readPresence(r.id, frame)
	if err != nil {
		r.hub.strange(instance, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rosterChangedLocked()
	before := len(r.remote)
	for session, p := range r.remote {
		if p.instance == instance {
			delete(r.remote, session)
		}
	}
	for _, p := range pm.Join {
		r.remoteLocked(instance, p)
	}
	r.contestLocked(pm.Join)
	if before > 0 || len(r.remote) > 0 {
		r.resetLocked()
	}
}

// contestLocked answers another instance's list with our own, if it has sessions whose sockets are here:
// a third one may believe the wrong one of us. At most once a second, so that two who disagree do not go
// on for ever at full speed.
func (r *room) contestLocked(join []Participant) {
	for _, p := range join {
		if m := r.members[p.Session]; m == nil || m.conn == nil {
			continue
		}
		if time.Since(r.contested) < time.Second {
			r.peers.lose() // the next sign of life brings the list
			return
		}
		r.contested = time.Now()
		r.peers.send(peerMessage{Kind: peerList, Frame: r.ownLocked()})
		return
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
	r.rosterChangedLocked()
	var left []departure
	for session, p := range r.remote {
		if p.instance != instance {
			continue
		}
		delete(r.remote, session)
		if r.members[session] == nil {
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
