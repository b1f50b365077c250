package flow

import (
	"maps"
	"time"
)

// regain is one read of a room's locks, for sessions that came from other instances at the same time.
type regain struct {
	members []*member
	done    chan struct{}
}

// regainLocks finds the locks of a session that came from another instance. Its client's next message waits for
// that.
func (r *room) regainLocks(session string) {
	r.mu.Lock()
	m := r.members[session]
	if m == nil || !m.unsure {
		r.mu.Unlock()
		return
	}
	if r.regain == nil {
		r.regain = &regain{done: make(chan struct{})}
	}
	mine, leads := r.regain, !r.regaining
	mine.members = append(mine.members, m)
	r.regaining = true
	r.mu.Unlock()
	if leads {
		r.hub.spawn(r.regainOn)
	}
	select {
	case <-mine.done:
	case <-r.hub.ctx.Done():
	}
}

// regainOn reads for those who wait, until nobody does. While the log is away they stay unsure.
func (r *room) regainOn() {
	for {
		r.mu.Lock()
		g, live := r.regain, r.comparedLocked()
		r.regain = nil
		r.regaining = g != nil
		r.mu.Unlock()
		if g == nil {
			return
		}
		if live {
			r.assignLocks(g.members)
		}
		close(g.done)
	}
}

// assignLocks tells members of the locks that they have in the backend. When that cannot be read, they stay unsure.
func (r *room) assignLocks(members []*member) {
	now := time.Now() // before the request: so nothing is believed for too long
	locks, err := r.hub.Locks(r.hub.ctx, r.id)
	if err != nil {
		return
	}
	held := map[string]map[string]time.Time{}
	for _, l := range locks {
		if held[l.Owner] == nil {
			held[l.Owner] = map[string]time.Time{}
		}
		held[l.Owner][l.Name] = now.Add(l.TTL)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range members {
		m.unsure = false
		m.assignLocked(held[m.session])
	}
}

func (m *member) assignLocked(locks map[string]time.Time) {
	switch {
	case len(locks) == 0:
	case m.gone:
		for name := range locks {
			m.giveBackLocked(name)
		}
	default:
		maps.Copy(locks, m.locks) // those that were taken meanwhile
		m.locks = locks
		m.showLocksLocked()
	}
}

// claim is a lock that a member has.
type claim struct {
	m     *member
	name  string
	until time.Time
}

// claims returns the locks of this instance's sessions, and those of them whose locks are not known.
func (r *room) claims() (all []claim, unsure []*member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		for name, until := range m.locks {
			all = append(all, claim{m, name, until})
		}
		if m.unsure {
			unsure = append(unsure, m)
		}
	}
	return all, unsure
}

// retakeLocks takes the locks of members again, after the log was away or has lost its memory. One that somebody
// else has is over. It reports false when the log failed once more: then all of this is to be done anew, since
// others must not get what was promised.
func (r *room) retakeLocks() bool {
	all, unsure := r.claims()
	for _, c := range all {
		if !r.retake(c) {
			return false
		}
	}
	if len(unsure) > 0 {
		r.assignLocks(unsure)
	}
	return true
}

func (r *room) retake(c claim) bool {
	left := time.Until(c.until)
	if left <= 0 {
		return true // the tick lets go of it
	}
	err := r.acquire(r.hub.ctx, c.name, c.m.session, left, true)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, wanted := c.m.locks[c.name]
	switch {
	case err == nil && (!wanted || c.m.ended): // it was given back meanwhile
		c.m.giveBackLocked(c.name)
	case err == nil:
	case mustReconcile(err):
		return false
	case ErrorCode(err) == CodeUnavailable:
		r.failLocked(err)
		return false
	default:
		c.m.holdLocked(c.name, time.Time{})
	}
	return true
}
