package flow

import (
	"context"
	"encoding/json"
)

// Event is a named ephemeral message to a room, a session or a user: at most once, never stored.
type Event struct {
	Name string          `json:"name"`           // 1 to 128 bytes
	Data json.RawMessage `json:"data,omitempty"` // one JSON text; missing is delivered as null
	To   *Target         `json:"to,omitempty"`   // nil: everybody in the room
}

// Target selects receivers of an event: exactly one field is set.
type Target struct {
	Session string `json:"session,omitempty"`
	User    string `json:"user,omitempty"`
}

// checked returns the event ready to send, or what is wrong with it.
func (e Event) checked() (Event, error) {
	if len(e.Name) < 1 || len(e.Name) > 128 {
		return e, Errorf(CodeInvalidMessage, "name must have 1 to 128 bytes")
	}
	if e.To != nil && (e.To.Session == "") == (e.To.User == "") {
		return e, Errorf(CodeInvalidMessage, "to must have exactly one of session and user")
	}
	if e.To == nil {
		e.To = &Target{}
	}
	if e.Data == nil {
		return e, nil
	}
	if !validJSON(e.Data) {
		return e, Errorf(CodeInvalidMessage, "data must be one JSON text")
	}
	e.Data = compactJSON(e.Data)
	return e, nil
}

// event passes an event of a client on.
func (c *Conn) event(m *message) {
	mem := c.inRoom(m, None)
	if mem == nil {
		return
	}
	if wait, own := mem.takeEvent(c.now); wait > 0 {
		c.turnAway(m, wait, own)
		return
	}
	if mem.access() < Editor {
		c.refuse(m, errForbidden())
		return
	}
	e, err := Event{Name: m.name, Data: m.data, To: m.to}.checked()
	if err != nil {
		c.refuse(m, err)
		return
	}
	mem.room.publish(e, mem, m.echo)
	c.done(m)
}

// publish delivers an event here and on the other instances. Its sender, nil for the server, gets it too
// with echo, or when it names its own session.
func (r *room) publish(e Event, from *member, echo bool) {
	r.hub.stats.events.Add(1)
	r.hub.stats.encoded.Add(1)
	session, user := "", ""
	if from != nil {
		session, user = from.session, from.user.ID
	}
	f := eventFrame(r.id, e, session, user)
	r.mu.Lock()
	r.deliverEventLocked(f, *e.To, from)
	if from != nil && from.conn != nil && (echo || e.To.Session == session) {
		from.conn.offer(f)
	}
	r.mu.Unlock()
	r.peers.send(peerMessage{Kind: peerEvent, Session: e.To.Session, User: e.To.User, Frame: f.JSON})
}

// deliverEventLocked hands an event to those here that it is for, but for its sender. Who is behind
// misses it.
func (r *room) deliverEventLocked(f *Frame, to Target, from *member) {
	for _, m := range r.list {
		forSession := to.Session == "" || m.session == to.Session
		forUser := to.User == "" || m.session != "" && m.user.ID == to.User
		if m != from && forSession && forUser {
			m.conn.offer(f)
		}
	}
}

// Publish sends an event from the server to a room, or to a session or a user in it, on all
// instances. It returns before anybody has received it.
func (h *Hub) Publish(_ context.Context, room string, e Event) error {
	if !ValidRoom(room) {
		return errInvalidRoom()
	}
	e, err := e.checked()
	if err != nil {
		return err
	}
	r, err := h.enter(room)
	if err != nil {
		return err
	}
	defer r.exit()
	if r.isDeleted() {
		return errDeleted()
	}
	r.publish(e, nil, false)
	return nil
}

// PublishUser sends an event from the server to one person, on every connection of theirs on all
// instances. Event.To must be nil.
func (h *Hub) PublishUser(_ context.Context, user string, e Event) error {
	if e.To != nil {
		return Errorf(CodeInvalidMessage, "an event to a user has no to")
	}
	if !(User{ID: user}).valid() {
		return Errorf(CodeInvalidMessage, "a user id must have 1 to 255 bytes of UTF-8")
	}
	e, err := e.checked()
	if err != nil {
		return err
	}
	h.stats.events.Add(1)
	f := eventFrame("", e, "", "")
	h.deliverUser(f, user)
	h.control.send(peerMessage{Kind: peerUser, User: user, Frame: f.JSON})
	return nil
}

// deliverUser hands an event to the sockets of a user that are here.
func (h *Hub) deliverUser(f *Frame, user string) {
	for _, c := range h.connsOf(user) {
		if !c.stream {
			c.offer(f)
		}
	}
}
