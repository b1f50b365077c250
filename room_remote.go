package flow

import (
	"encoding/json"
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

// presenceMessage is a presence frame as another instance reads it.
type presenceMessage struct {
	Join   []Participant              `json:"join"`
	Update map[string]json.RawMessage `json:"update"`
	Leave  []struct {
		Session string      `json:"session"`
		Reason  LeaveReason `json:"reason"`
	} `json:"leave"`
}

// heardPresence takes another instance's presence frame. Its bytes go on to the members as they are,
// unless they speak of sessions that are not the sender's any more: then everybody gets the whole list.
func (r *room) heardPresence(instance string, frame []byte) {
	var pm presenceMessage
	if err := json.Unmarshal(frame, &pm); err != nil {
		r.hub.log.Debug("presence from another instance cannot be read",
			"room", r.id, "instance", instance, "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clean := true
	for _, p := range pm.Join {
		clean = clean && r.members[p.Session] == nil && !r.hub.parted.has(p.Session)
		r.remoteLocked(instance, p)
	}
	r.contestLocked(pm.Join)
	for session, patch := range pm.Update {
		p := r.remote[session]
		if p == nil || p.instance != instance {
			clean = false
			continue
		}
		p.state = p.state.merge(parsePresence(patch))
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
	f := &Frame{Type: "presence", JSON: frame}
	for _, m := range r.list {
		m.show(f)
	}
}

func (r *room) remoteLocked(instance string, p Participant) {
	if r.hub.parted.has(p.Session) { // it ended here, and the other one has not heard of that yet
		return
	}
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
