package flow

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// rightsWorkers is how many members' rights are asked for at a time.
	rightsWorkers = 16
	// rightsTries is how often Authorize is asked when it fails, a second apart.
	rightsTries = 4
)

// Reauthorize asks the Authorize hook again for the sockets and streams of a user, in a room, or, with "",
// of all: what it says then holds from there on. Without at least Viewer they get left forbidden. It
// returns when this instance is done; the others do the same as soon as the bus has told them, and all
// that was lost on the way when it is back. [CodeInvalidRoom]; [CodeUnavailable] when the hook failed over
// and over: then those rights stand as they were.
func (h *Hub) Reauthorize(ctx context.Context, user, room string) error {
	if room != "" && !ValidRoom(room) {
		return errInvalidRoom()
	}
	h.control.send(peerMessage{Kind: peerRights, User: user, Room: room})
	return h.reauthorizeHere(ctx, user, room)
}

// reauthorizeHere is Reauthorize for this instance.
func (h *Hub) reauthorizeHere(ctx context.Context, user, room string) error {
	h.rights.Add(1) // joins that are under way ask again
	return h.askUntilTold(ctx, h.membershipsOf(user, room))
}

// reauthorizeEntry asks for the right of a member once more that has changed while it came in. The answer is not
// waited for when the hook fails.
func (h *Hub) reauthorizeEntry(ctx context.Context, c *Conn, m *member) {
	if c.reauthorize(ctx, m) != nil {
		h.spawn(func() { _ = h.askUntilTold(h.ctx, []membership{{c, m}}) }) // it has logged what it could not do
	}
}

// askUntilTold asks for the rights of members until the hook has answered about all, or has failed too often.
func (h *Hub) askUntilTold(ctx context.Context, left []membership) error {
	for try := 1; ; try++ {
		left = h.askAgain(ctx, left)
		if len(left) == 0 {
			return nil
		}
		if try == rightsTries {
			h.log.Error("rights stand as they were, because the Authorize hook failed", "members", len(left))
			return Unavailable(errors.New("the Authorize hook failed"))
		}
		pause := time.NewTimer(time.Second)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// membership is a member and the connection that it was found on.
type membership struct {
	conn   *Conn
	member *member
}

// membershipsOf returns those of a user, in a room; "" is all. A user's cost what that user has.
func (h *Hub) membershipsOf(user, room string) []membership {
	conns := h.connsOf(user)
	if user == "" {
		conns = h.allConns()
	}
	var found []membership
	for _, c := range conns {
		c.mu.Lock()
		if c.user != nil && (user == "" || c.user.ID == user) {
			for _, m := range c.members {
				if room == "" || m.room.id == room {
					found = append(found, membership{c, m})
				}
			}
		}
		c.mu.Unlock()
	}
	return found
}

// connsOf returns the sockets and streams of a user.
func (h *Hub) connsOf(user string) []*Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.users[user])
}

// askAgain asks for the rights of members, some at a time, and returns those for whom the hook failed.
func (h *Hub) askAgain(ctx context.Context, all []membership) (failed []membership) {
	var mu sync.Mutex
	forEach(rightsWorkers, all, func(ms membership) {
		if err := ms.conn.reauthorize(ctx, ms.member); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, ms)
		}
	})
	return failed
}

// reauthorize asks again what the user may do in one room. An error means that the application could not
// say; the right stands as it was.
func (c *Conn) reauthorize(ctx context.Context, m *member) error {
	user, turn := c.askingTurn()
	access, err := c.hub.access(ctx, user, m.room.id)
	switch {
	case ErrorCode(err) == CodeUnavailable:
		return err
	case access < Viewer: // with any other error, too
		m.forbid(c, turn)
	default:
		m.renew(c, access, user, turn)
	}
	return nil
}

// askingTurn returns who is on the connection, and a number that grows whenever an answer about that user may
// have become another one: the answer to a question that was asked in an earlier turn counts no more.
func (c *Conn) askingTurn() (User, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.user, c.hub.rights.Load() + c.renewals
}

// reauthorizeAfterGap asks for everybody's rights again after the bus may have lost that they changed. Gaps that
// come while it does are dealt with together, afterwards: who was asked about already may be meant.
func (h *Hub) reauthorizeAfterGap() {
	if h.gaps.Add(1) > 1 {
		return
	}
	h.spawn(func() {
		for left := int64(1); left > 0; {
			seen := h.gaps.Load()
			_ = h.reauthorizeHere(h.ctx, "", "") // it has logged what it could not do
			left = h.gaps.Add(-seen)
		}
	})
}

// lostRights notes that the other instances may not have heard that rights have changed.
func (h *Hub) lostRights(messages []peerMessage) {
	for i := range messages {
		if messages[i].Kind == peerRights {
			h.unheard.Store(true)
		}
	}
}

// tellRights says again that rights have changed, when the bus is back. Whose is not remembered: all are asked about.
func (h *Hub) tellRights() {
	if h.cfg.Bus.Health().State == Live && h.unheard.CompareAndSwap(true, false) {
		h.control.send(peerMessage{Kind: peerRights})
	}
}
