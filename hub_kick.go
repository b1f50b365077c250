package flow

import (
	"context"
	"errors"
	"time"
)

// UserSessions returns where a user is, sorted by session id, after the given one, at most limit.
func (h *Hub) UserSessions(ctx context.Context, user, after string, limit int) ([]Session, error) {
	all := []Session{}
	for {
		stored, err := h.cfg.Sessions.List(ctx, SessionQuery{User: user, After: after, Limit: limit})
		if err != nil && ErrorCode(err) != CodeUnavailable {
			return nil, err
		}
		page := listing{after: after, last: lastOf(stored, limit), limit: limit}
		known := map[string]Session{}
		for _, s := range stored {
			if s.Instance != h.cfg.Instance {
				known[s.ID] = s
				page.add(s.ID)
			}
		}
		for _, m := range h.membersOf(user) {
			known[m.session] = m.snapshotRecord()
			page.add(m.session)
		}
		for _, id := range page.page() {
			all = append(all, known[id])
		}
		if !page.open() {
			return all, nil
		}
		after, limit = page.last, limit-len(page.ids)
	}
}

// membersOf returns the sessions of a user that are here.
func (h *Hub) membersOf(user string) []*member {
	var mine []*member
	for _, r := range h.openRooms() {
		r.mu.Lock()
		for _, m := range r.members {
			if m.user.ID == user {
				mine = append(mine, m)
			}
		}
		r.mu.Unlock()
	}
	return mine
}

// Kick ends a session, on whatever instance it is. [CodeNotFound] when nobody has it, and
// [CodeUnavailable] when the instance that has it does not answer.
func (h *Hub) Kick(ctx context.Context, room, session string) error {
	if !ValidRoom(room) {
		return errInvalidRoom()
	}
	if h.kickMember(room, session) {
		return nil
	}
	s, err := h.cfg.Sessions.Get(ctx, session)
	stored := err == nil && s.Room == room
	elsewhere := stored && s.Instance != "" && s.Instance != h.cfg.Instance
	there := (elsewhere || h.hasPeers()) && h.ask(ctx, peerMessage{Kind: peerKick, Room: room, Session: session})
	switch {
	case elsewhere && !there:
		return Unavailable(errors.New("instance " + s.Instance + ", which has the session, does not answer"))
	case stored: // also one without a socket, which waits to be resumed
		h.noteOver(session)
		return h.cfg.Sessions.Delete(ctx, session)
	case there:
		return nil
	case err != nil && ErrorCode(err) != CodeNotFound:
		return err
	}
	return Errorf(CodeNotFound, "there is no such session")
}

func (h *Hub) kickMember(room, session string) bool {
	r := h.peek(room)
	if r == nil {
		return false
	}
	m := r.find(session)
	if m == nil {
		return false
	}
	m.end(LeaveKicked)
	return true
}

// KickUser ends all sessions of a user, on all instances, those too that wait to be resumed. It does not
// wait for the other instances.
func (h *Hub) KickUser(ctx context.Context, user string) error {
	h.kickHere(user)
	h.control.send(peerMessage{Kind: peerKickUser, User: user})
	return h.endStored(ctx, SessionQuery{User: user})
}

// endStored deletes the sessions that a query selects from the store.
func (h *Hub) endStored(ctx context.Context, q SessionQuery) error {
	const page = 100
	q.Limit, q.Detached = page, true
	for {
		left, err := h.cfg.Sessions.List(ctx, q)
		if err != nil {
			return err
		}
		for _, s := range left {
			h.noteOver(s.ID)
			err = errors.Join(err, h.cfg.Sessions.Delete(ctx, s.ID))
			q.After = s.ID
		}
		if err != nil || len(left) < page {
			return err
		}
	}
}

// kickHere ends the sessions of a user that are here.
func (h *Hub) kickHere(user string) {
	for _, m := range h.membersOf(user) {
		m.end(LeaveKicked)
	}
}

// hasPeers reports whether there may be other instances.
func (h *Hub) hasPeers() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen) > 0 || h.cfg.Bus.Health().Backend != backendMemory
}

// someoneHas reports whether another instance has a session, whatever the store says: it may have lost its
// memory.
func (h *Hub) someoneHas(ctx context.Context, room, session string) bool {
	return !h.alone() && !h.parted.has(session) && h.ask(ctx, peerMessage{Kind: peerHave, Room: room, Session: session})
}

// alone reports whether no other instance was heard of.
func (h *Hub) alone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen) == 0
}

// ask sends a request to the other instances, and reports whether one of them has done it.
func (h *Hub) ask(ctx context.Context, m peerMessage) bool {
	m.Ask = newID()
	answer := make(chan struct{}, 1)
	h.mu.Lock()
	h.asked[m.Ask] = answer
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.asked, m.Ask)
	}()
	h.control.send(m)
	limit := time.NewTimer(askTimeout)
	defer limit.Stop()
	select {
	case <-answer:
		return true
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

// acked wakes who waits for an answer.
func (h *Hub) acked(ask string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if answer := h.asked[ask]; answer != nil {
		select {
		case answer <- struct{}{}:
		default:
		}
	}
}
