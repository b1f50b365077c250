package flow

import (
	"context"
	"time"
)

// Watch takes a stream of one room that reads along and is no participant. position is the one the
// client has, "" for none; a bad one starts from the beginning. Errors as
// of a join and of [Hub.Admit]; [CodeUnauthenticated] without a user.
func (h *Hub) Watch(ctx context.Context, t Transport, client Client, roomID, position string) (*Conn, error) {
	if client.User == nil {
		return nil, Errorf(CodeUnauthenticated, "credentials are required")
	}
	turn, user := h.rights.Load(), *client.User
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
	if err := r.takeJoin(time.Now()); err != nil {
		return nil, err
	}
	at, err := r.locate(ctx, "", position)
	if err != nil {
		return nil, err
	}
	if given && position == "" {
		at.reason = "diverged"
	}
	c := newConn(h, t, client)
	c.stream = true
	c.writing = true // nothing goes out before it is counted
	m := &member{room: r, user: user}
	if err := r.seat(m, c, turn, at); err != nil {
		return nil, err
	}
	if err := h.addConn(c); err != nil {
		c.Done()
		return nil, err
	}
	c.mu.Lock()
	c.watchExpiryLocked()
	c.writing = false
	c.startLocked()
	c.mu.Unlock()
	if h.rights.Load() != turn { // rights may have changed meanwhile
		h.reauthorizeEntry(ctx, c, m)
	}
	return c, nil
}

// seat makes a stream a reader of the room. Its joined is the first thing in its queue.
func (r *room) seat(m *member, c *Conn, turn uint64, at entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deleted {
		return errDeleted()
	}
	at.known = at.known && at.era == r.seq.era
	c.addMember(m)
	m.attachLocked(c, Viewer, turn, at)
	c.send(r.joinedFrame("", m, at, ""))
	r.relayTo(m)
	r.startLocked(m, at)
	return nil
}
