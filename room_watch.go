package flow

import (
	"context"
)

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
	m := &member{room: r, user: user}
	if err := r.seat(m, c, at); err != nil {
		return nil, err
	}
	if err := h.addConn(c); err != nil {
		c.Done()
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchExpiryLocked()
	return c, nil
}

// seat makes a stream a reader of the room. Its joined is the first thing in its queue.
func (r *room) seat(m *member, c *Conn, at entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deleted {
		return errDeleted()
	}
	at.known = at.known && at.era == r.seq.era
	c.addMember(m)
	m.attachLocked(c, Viewer, at)
	c.send(r.joinedFrame("", m, at, ""))
	r.startLocked(m, at)
	r.relayTo(m)
	return nil
}
