package flow

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// op takes an operation from a client.
func (c *Conn) op(m *message) {
	now := c.now
	var mem *member
	if ValidRoom(m.room) {
		mem = c.member(m.room)
	}
	if mem != nil {
		if wait, own := mem.takeOp(now); wait > 0 {
			c.turnAway(m, wait, own)
			return
		}
	}
	if err := c.mayWrite(mem, m); err != nil {
		c.nack(m, err)
		return
	}
	op := Operation{Session: mem.session, N: m.n, User: mem.user.ID, Time: now.UnixMilli(), Data: m.data}
	if mem.room.knows(op, now) {
		return
	}
	ops := []Operation{op}
	err := mem.room.vet(c.hub.ctx, *c.user, ops...)
	switch {
	case ErrorCode(err) == CodeUnavailable: // not a no: the author is to try again
		mem.room.refuseNow(mem, m.n, CodeUnavailable, ErrorMessage(err), or(ErrorRetryAfter(err), time.Second))
	case err != nil:
		c.nack(m, err)
	default:
		mem.room.submitOp(ops[0], now)
	}
}

// knows hands an operation to the sequencer that needs no vetting, because it is taken already, or leaves out
// others: what the application thinks of it now does not count.
func (r *room) knows(op Operation, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.seq.authors[op.Session]; a == nil || !a.known || op.N == a.tail+1 {
		return false
	}
	r.submitLocked(op, now)
	return true
}

// submitOp hands an operation to the sequencer. A log that does not wait is written at once: another
// goroutine for it would cost more than the writing.
func (r *room) submitOp(op Operation, now time.Time) {
	r.mu.Lock()
	fx := r.seq.submit(submission{op: op, since: now}, r.hub.cfg.Limits.Pending)
	here := fx.commit && r.hub.quick && !r.writing
	if here {
		fx.commit, r.writing = false, true
	}
	r.applyLocked(fx)
	r.mu.Unlock()
	if here {
		r.work()
	}
}

func (r *room) submitLocked(op Operation, now time.Time) {
	r.applyLocked(r.seq.submit(submission{op: op, since: now}, r.hub.cfg.Limits.Pending))
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

// refuseNow nacks an operation that may be sent again after a while.
func (r *room) refuseNow(m *member, n uint64, code Code, message string, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refusal := nack{m.session, n, code, message, 0, wait}
	if a := r.seq.authors[m.session]; a != nil {
		refusal.last = a.tail
	}
	r.nackLocked(refusal)
}

// vet asks the application's hook about operations that belong together, and the room's reducer. The hook
// may have replaced their data.
func (r *room) vet(ctx context.Context, user User, ops ...Operation) error {
	hook := r.hub.cfg.OnOperation
	for i := range ops {
		if hook == nil {
			break
		}
		op := &ops[i]
		p := &Proposal{Room: r.id, User: user, Session: op.Session, N: op.N, Data: op.Data, room: r}
		if err := r.propose(ctx, hook, p); err != nil {
			return err
		}
		if bytes.Equal(p.Data, op.Data) {
			continue
		}
		if !validJSON(p.Data) {
			return fmt.Errorf("OnOperation replaced an operation by what is not one JSON text: %.100q", p.Data)
		}
		op.Data = compactJSON(p.Data)
	}
	return r.applicable(ctx, ops)
}

// propose calls the hook.
func (r *room) propose(ctx context.Context, hook func(context.Context, *Proposal) error, p *Proposal) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			r.hub.logPanic(cause, "a hook", "hook", "OnOperation", "room", r.id)
			err = &Error{Code: CodeRejected, Message: "the application refused this operation"}
		}
	}()
	if err := hook(ctx, p); err != nil {
		r.hub.log.Debug("operation rejected", "room", r.id, "user", p.User.ID, "error", err)
		if ErrorCode(err) == CodeUnavailable {
			return err
		}
		return rejected(err)
	}
	return nil
}

// rejected is the refusal of an operation for a reason of the application's, or of a reducer.
func rejected(err error) *Error {
	message := "the application refused this operation"
	if ErrorCode(err) != CodeInternal {
		message = ErrorMessage(err)
	}
	return &Error{Code: CodeRejected, Message: message, Err: err}
}
