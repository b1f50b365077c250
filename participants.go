package flow

import "context"

// Participants returns who is in a room, sorted by session id, after the given one, at most limit. It
// joins what this instance hears from the others with what the session store knows.
func (h *Hub) Participants(ctx context.Context, room, after string, limit int) ([]Participant, error) {
	if !ValidRoom(room) {
		return nil, errInvalidRoom()
	}
	_, err := h.cfg.Log.Read(ctx, room, Query{Unchecked: true})
	if ErrorCode(err) == CodeRoomDeleted {
		return nil, err
	}
	all := []Participant{}
	err = h.callRoll(ctx, room, after, limit, func(p *roll, session string) {
		all = append(all, p.participantLocked(session))
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// countParticipants returns how many are in a room, as far as there may be so many.
func (h *Hub) countParticipants(ctx context.Context, room string) (n int, err error) {
	err = h.callRoll(ctx, room, "", h.cfg.Limits.Participants, func(*roll, string) { n++ })
	return n, err
}

// callRoll calls those who are in a room, sorted by session id, after the given one, at most limit, with the
// room's lock held if it is open here.
func (h *Hub) callRoll(ctx context.Context, room, after string, limit int, each func(*roll, string)) error {
	for {
		p, err := h.rollOf(ctx, room, after, limit)
		if err != nil {
			return err
		}
		p.call(func(session string) { each(p, session) })
		if !p.open() {
			return nil
		}
		after, limit = p.last, limit-len(p.ids)
	}
}

// roll is a page of who is in a room.
type roll struct {
	listing

	room   *room               // nil while it is not open here
	stored map[string]*Session // sessions of other instances that the store knows
}

// rollOf asks the store for its part of the page. A store that is away has none.
func (h *Hub) rollOf(ctx context.Context, room, after string, limit int) (*roll, error) {
	stored, err := h.cfg.Sessions.List(ctx, SessionQuery{Room: room, After: after, Limit: limit})
	if err != nil && ErrorCode(err) != CodeUnavailable {
		return nil, err
	}
	p := &roll{
		listing: listing{after: after, last: lastOf(stored, limit), limit: limit},
		room:    h.peek(room), stored: map[string]*Session{},
	}
	for i := range stored {
		if s := &stored[i]; s.Instance != h.cfg.Instance { // the truth about the others is here
			p.stored[s.ID] = s
			p.add(s.ID)
		}
	}
	return p, nil
}

// call calls each of the page, with the room's lock held if it is open here.
func (p *roll) call(each func(session string)) {
	if p.room != nil {
		p.room.mu.Lock()
		defer p.room.mu.Unlock()
		for session := range p.room.members {
			p.add(session)
		}
		for session := range p.room.remote {
			p.add(session)
		}
	}
	for _, session := range p.page() {
		each(session)
	}
}

// participantLocked returns somebody on the page: what is known here counts.
func (p *roll) participantLocked(session string) Participant {
	if p.room != nil {
		if m := p.room.members[session]; m != nil {
			return m.participant()
		}
		if other := p.room.remote[session]; other != nil {
			return other.participant(session)
		}
	}
	s := p.stored[session]
	return Participant{
		Session: session, User: s.User.ID, Profile: s.User.Profile(),
		Presence: parsePresence(s.Presence).appendTo(nil), Joined: s.Joined,
	}
}
