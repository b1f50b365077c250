package flow

import (
	"context"
	"errors"
	"slices"
	"time"
)

// otherPerSecond bounds the messages of a socket that have no limit of their own.
const otherPerSecond = 100

// requests returns what each type of message of a client does. Each runs on the reader's goroutine.
func requests() map[string]func(*Conn, *message) {
	return map[string]func(*Conn, *message){
		"auth":     (*Conn).auth,
		"join":     (*Conn).join,
		"leave":    (*Conn).leave,
		"op":       (*Conn).op,
		"presence": (*Conn).presence,
		"event":    (*Conn).event,
		"snapshot": (*Conn).snapshot,
		"lock":     (*Conn).lock,
		"unlock":   (*Conn).unlock,
		"ping":     (*Conn).ping,
	}
}

const (
	// strangerBytes bounds a message of a client that has not said who it is: a token fits in it.
	strangerBytes = 16 << 10
	// textCost is what a text costs beyond its bytes, so that empty ones are not for nothing.
	textCost = 64
)

// MessageLimit returns how many bytes the next text may have. Like Receive it is for the transport's
// reader.
func (c *Conn) MessageLimit() int {
	if c.user == nil {
		return min(strangerBytes, c.hub.cfg.Limits.MessageBytes)
	}
	return c.hub.cfg.Limits.MessageBytes
}

// Receive handles one text of the client: a message, or an array of them. The bytes are not kept.
func (c *Conn) Receive(text []byte) {
	now := time.Now()
	c.now = now
	c.due = c.traffic.takeMany(now, c.hub.cfg.Quotas.SocketBytesPerSecond, len(text)+textCost)
	c.due = max(c.due, c.payer.take(payBytes, len(text)+textCost, now))
	c.idle = true
	err := decodeText(text, c.handle)
	if (err != nil || c.idle) && c.allow("", "") && err != nil {
		c.send(errorFrame("", "", err))
	}
}

func (c *Conn) handle(m *message) {
	if !c.idle {
		c.now = time.Now() // not the first of the text: hooks may have taken their time
	}
	c.idle = false
	if c.gone() {
		return
	}
	if wait := max(c.due, c.payer.take(payMessages, 1, c.now)); wait > 0 {
		c.turnAway(m, wait, true)
		return
	}
	if (!m.metered() || c.member(m.room) == nil) && !c.allow(m.id, m.room) {
		return
	}
	serve, known := c.hub.requests[m.kind]
	switch {
	case c.user == nil && m.kind != "auth" && m.kind != "ping":
		c.refuse(m, Errorf(CodeUnauthenticated, "send auth first"))
	case m.kind == "op" && m.n > 0:
		c.op(m) // also with an error: its answer is a nack
	case m.kind == "op" && m.err == nil:
		c.refuse(m, Errorf(CodeInvalidMessage, "n is missing"))
	case m.err != nil:
		c.refuse(m, m.err)
	case !known:
		c.refuse(m, Errorf(CodeUnknownType, "this type of message is not known"))
	default:
		serve(c, m)
	}
}

// metered reports whether a message is counted by its session's own rates.
func (m *message) metered() bool {
	switch m.kind {
	case "op":
		return m.err == nil && m.n > 0
	case "presence":
		return m.err == nil && m.data != nil && m.data[0] == '{'
	case "event":
		return m.err == nil
	default:
		return false
	}
}

// gone reports whether the connection takes no more messages.
func (c *Conn) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending || c.ended
}

// allow takes a token of the bucket for messages without a limit of their own.
func (c *Conn) allow(id, room string) bool {
	wait := c.other.take(c.now, otherPerSecond)
	if wait == 0 {
		return true
	}
	c.limited(wait, func(err error) { c.send(errorFrame(id, room, err)) })
	return false
}

// limited tells the client that it is over a limit, and ends the socket that stays there.
func (c *Conn) limited(wait time.Duration, tell func(error)) {
	if c.over.refused(c.now) {
		c.Close(ByeRateLimited)
		return
	}
	tell(&Error{Code: CodeRateLimited, Message: "too many messages, slow down", RetryAfter: wait})
}

// turnAway refuses a message because of a rate. It counts against the client unless the rate is one that
// others have used up.
func (c *Conn) turnAway(m *message, wait time.Duration, own bool) {
	tell := func(err error) {
		if mem := c.member(m.room); mem != nil && m.kind == "op" && m.n > 0 {
			mem.room.refuseNow(mem, m.n, CodeRateLimited, ErrorMessage(err), wait)
			return
		}
		c.refuse(m, err)
	}
	if own {
		c.limited(wait, tell)
		return
	}
	tell(overLimit("too many messages in this room, slow down", wait))
}

// refuse answers a message that cannot be done.
func (c *Conn) refuse(m *message, err error) {
	id := m.id
	if m.kind == "op" {
		id = ""
	}
	switch {
	case ErrorCode(err) == CodeInternal:
		c.hub.log.Error("request failed", "type", m.kind, "room", m.room, "error", err)
	case errors.Unwrap(err) != nil:
		c.hub.log.Debug("request refused", "type", m.kind, "room", m.room, "error", err)
	}
	c.send(errorFrame(id, m.room, err))
}

// done answers a request that wanted an answer.
func (c *Conn) done(m *message) {
	if m.id != "" {
		c.send(okFrame(m.id, m.room))
	}
}

// needID reports whether a request that must carry an id does, and refuses it if not.
func (c *Conn) needID(m *message) bool {
	if m.id == "" {
		c.refuse(m, Errorf(CodeInvalidMessage, m.kind+" needs an id"))
	}
	return m.id != ""
}

// inRoom returns the membership that a message speaks of, or refuses it.
func (c *Conn) inRoom(m *message, least Access) *member {
	if !ValidRoom(m.room) {
		c.refuse(m, errInvalidRoom())
		return nil
	}
	mem := c.member(m.room)
	if mem == nil {
		c.refuse(m, Errorf(CodeNotJoined, "join the room first"))
		return nil
	}
	if mem.access() < least {
		c.refuse(m, errForbidden())
		return nil
	}
	return mem
}

func (c *Conn) ping(m *message) {
	c.send(seal("pong", appendOptional(frameOf("pong"), "id", m.id)))
}

// auth tells or renews who the client is.
func (c *Conn) auth(m *message) {
	if !c.needID(m) {
		return
	}
	if c.user != nil { // the application is asked about every room again, as if the client joined
		if wait := c.payer.take(payJoins, 1, c.now); wait > 0 {
			c.turnAway(m, wait, true)
			return
		}
	}
	ctx := context.Background()
	user, err := c.hub.verifyToken(ctx, m.token)
	if err != nil {
		c.refuse(m, err)
		return
	}
	if c.user != nil && (c.user.Anonymous || c.user.ID != user.ID) {
		c.refuse(m, errForbidden())
		return
	}
	if c.user == nil {
		if err := c.hub.identify(c, &user); err != nil {
			c.refuse(m, err)
			return
		}
	}
	c.mu.Lock()
	c.user = &user
	c.renewals++
	c.watchExpiryLocked()
	members := slices.Clone(c.members)
	c.mu.Unlock()
	buf := appendField(frameOf("ok"), "id", m.id)
	buf = appendField(buf, "user", user.ID)
	c.send(seal("ok", appendExpires(buf, user)))
	for _, mem := range members {
		_ = c.reauthorize(ctx, mem) // if the application cannot be asked, the right stands as it was
	}
}

func (c *Conn) leave(m *message) {
	if !c.needID(m) {
		return
	}
	mem := c.inRoom(m, None)
	if mem == nil {
		return
	}
	mem.leave(c)
	c.done(m)
}

func (c *Conn) snapshot(m *message) {
	if !c.needID(m) {
		return
	}
	mem := c.inRoom(m, Editor)
	if mem == nil {
		return
	}
	position, err := ParsePosition(m.position)
	if err == nil && m.data == nil {
		err = Errorf(CodeInvalidMessage, "data is missing")
	}
	if err == nil {
		err = c.hub.SaveSnapshot(context.Background(), m.room, Snapshot{Position: position, Data: m.data})
	}
	if err != nil {
		c.refuse(m, err)
		return
	}
	c.done(m)
}
