package flow

import (
	"time"
)

// op takes an operation from a client.
func (c *Conn) op(m *message) {
	now := time.Now()
	var mem *member
	if ValidRoom(m.room) {
		mem = c.member(m.room)
	}
	if mem != nil {
		if wait := mem.takeOp(now); wait > 0 {
			c.limited(wait, func(error) { mem.room.refuseRate(mem, m.n, wait) })
			return
		}
	}
	if err := c.mayWrite(mem, m); err != nil {
		c.nack(m, err)
		return
	}
	r := mem.room
	op := Operation{Session: mem.session, N: m.n, User: mem.user.ID, Time: now.UnixMilli(), Data: m.data}
	if err := c.hub.vet(r.id, *c.user, op); err != nil {
		c.nack(m, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applyLocked(r.seq.submit(submission{op: op, since: now}, c.hub.cfg.Limits.Pending))
}

// nack refuses an operation for good.
func (c *Conn) nack(m *message, err error) {
	c.hub.stats.nacks.Add(1)
	c.send(nackFrame(m.room, nack{n: m.n, code: ErrorCode(err), message: ErrorMessage(err)}))
}

// mayWrite checks what does not need the room's lock.
func (c *Conn) mayWrite(mem *member, m *message) error {
	switch {
	case !ValidRoom(m.room):
		return errInvalidRoom()
	case mem == nil:
		return Errorf(CodeNotJoined, "join the room first")
	case m.err != nil:
		return m.err
	case mem.access() < Editor:
		return errForbidden()
	case m.data == nil:
		return Errorf(CodeInvalidMessage, "data is missing")
	}
	return nil
}

// refuseRate nacks an operation that came too fast.
func (r *room) refuseRate(m *member, n uint64, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refusal := nack{m.session, n, CodeRateLimited, "too many operations, slow down", 0, wait}
	if a := r.seq.authors[m.session]; a != nil {
		refusal.last = a.tail
	}
	r.nackLocked(refusal)
}

// vet asks the application's hook about an operation.
func (h *Hub) vet(room string, user User, op Operation) error {
	if h.cfg.OnOperation == nil {
		return nil
	}
	err := h.cfg.OnOperation(h.ctx, room, user, op)
	if err == nil {
		return nil
	}
	message := "the application refused this operation"
	if ErrorCode(err) != CodeInternal {
		message = ErrorMessage(err)
	}
	h.log.Debug("operation rejected", "room", room, "user", user.ID, "error", err)
	return &Error{Code: CodeRejected, Message: message, Err: err}
}
