package flow

import (
	"context"
	"slices"
)

// lookMost bounds the sessions that one look asks for.
const lookMost = 256

// look is one read of the facts about a log, which those who join at the same time share: nobody gets one
// that began before he came.
type look struct {
	sessions []string
	done     chan struct{}
	page     Page
	err      error
}

// look reads what the log says of a position and a session. A position that is in the ring is in the log when
// the room's head is, so all who ask for one of those share a read.
func (r *room) look(ctx context.Context, session string, at Position) (Page, error) {
	l, leads := r.join(session, at)
	if l == nil {
		return r.lookAlone(ctx, session, at)
	}
	if leads {
		r.hub.spawn(r.lookOn)
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return Page{}, Unavailable(ctx.Err())
	case <-r.hub.ctx.Done():
		return Page{}, errDraining()
	}
	if l.err != nil || at.Seq < l.page.Base.Seq {
		return r.lookAlone(ctx, session, at)
	}
	return l.page, nil
}

func (r *room) lookAlone(ctx context.Context, session string, at Position) (Page, error) {
	return r.hub.cfg.Log.Read(ctx, r.id, Query{After: at, Sessions: named(session), Renew: true})
}

func named(session string) []string {
	if session == "" {
		return nil
	}
	return []string{session}
}

// join returns the look that is about to begin, nil when the position needs one of its own; leads tells the
// first who waits that nobody looks yet.
func (r *room) join(session string, at Position) (l *look, leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ring.contains(at) {
		return nil, false
	}
	if r.next == nil || len(r.next.sessions) >= lookMost {
		if r.next != nil {
			return nil, false
		}
		r.next = &look{done: make(chan struct{})}
	}
	if session != "" && !slices.Contains(r.next.sessions, session) {
		r.next.sessions = append(r.next.sessions, session)
	}
	leads, r.looking = !r.looking, true
	return r.next, leads
}

// lookOn reads for those who wait, until nobody does.
func (r *room) lookOn() {
	for {
		r.mu.Lock()
		l, head := r.next, r.seq.head
		r.next = nil
		if l == nil {
			r.looking = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		l.page, l.err = r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{After: head, Sessions: l.sessions, Renew: true})
		close(l.done)
	}
}
