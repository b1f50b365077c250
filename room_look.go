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

// look reads what the log says of a position and a session. When the room's head is in the log, so is what the
// ring has; an older position is judged by the page that comes after it, which those who are there need next.
func (r *room) look(ctx context.Context, session string, at Position) (Page, error) {
	l, leads := r.join(session)
	if l == nil {
		return r.lookAlone(ctx, session, at)
	}
	switch {
	case leads && r.hub.quick: // nobody waits long, and a goroutine would cost more than the read
		r.lookOn()
	case leads:
		r.hub.spawn(r.lookOn)
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return Page{}, Unavailable(ctx.Err())
	case <-r.hub.ctx.Done():
		return Page{}, errDraining()
	}
	switch {
	case l.err != nil:
	case at == Position{} && l.page.Base.Seq > 0:
		return l.page, Errorf(CodeTrimmed, "the first operations were trimmed away")
	case at == Position{} || at.Seq >= l.page.Base.Seq && r.reaches(at):
		return l.page, nil
	}
	return r.lookAlone(ctx, session, at)
}

// reaches reports whether a position is known to be in the log, once the room's head is.
func (r *room) reaches(at Position) bool {
	r.mu.Lock()
	here, older := r.ring.contains(at), at.Seq < r.ring.base.Seq
	r.mu.Unlock()
	return here || older && r.pageAfter(at, false).err == nil
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

// join returns the look that is about to begin, nil when it is full; leads tells the first who waits that nobody
// looks yet.
func (r *room) join(session string) (l *look, leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = &look{done: make(chan struct{})}
	}
	if len(r.next.sessions) >= lookMost {
		return nil, false
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
