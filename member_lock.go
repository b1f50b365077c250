package flow

import (
	"maps"
	"slices"
	"time"
)

// locksKey is the key of presence under which the server tells which locks a session has, as it is written.
const locksKey = `"$locks"`

// reserved returns the first key of a patch that only the server may set, "" when there is none.
func (p presence) reserved() string {
	for _, key := range p {
		if len(key.name) > 1 && key.name[1] == '$' {
			return key.name
		}
	}
	return ""
}

func errReserved(key string) *Error {
	return Errorf(CodeInvalidMessage,
		"the presence key "+key+` is not for clients, expected one that does not begin with "$"`)
}

// holdLocked notes until when a member has a lock; the zero time: it has it no more.
func (m *member) holdLocked(name string, until time.Time) {
	_, had := m.locks[name]
	switch {
	case until.IsZero() && !had:
		return
	case until.IsZero():
		delete(m.locks, name)
	default:
		if m.locks == nil {
			m.locks = map[string]time.Time{}
		}
		m.locks[name] = until
		if had {
			return
		}
	}
	m.showLocksLocked()
}

// showLocksLocked tells everybody which locks a member has.
func (m *member) showLocksLocked() {
	key := presenceKey{name: locksKey}
	if names := slices.Sorted(maps.Keys(m.locks)); len(names) > 0 {
		key.value = append(key.value, '[')
		for i, name := range names {
			if i > 0 {
				key.value = append(key.value, ',')
			}
			key.value = appendString(key.value, name)
		}
		key.value = append(key.value, ']')
	}
	if m.gone {
		return
	}
	patch := presence{key}
	m.state, m.unsaved = m.state.merge(patch), true
	m.room.movedLocked(m.session, patch)
}

// endLocksLocked lets go of the locks whose time is over.
func (m *member) endLocksLocked(now time.Time) {
	for name, until := range m.locks {
		if !now.Before(until) {
			m.holdLocked(name, time.Time{})
		}
	}
}

// lockNames returns the locks that end with the session. One that lives on, or may come back, keeps them until
// their time is over.
func (m *member) lockNames(reason LeaveReason) []string {
	if reason == LeaveReplaced || reason == LeaveDisconnected {
		return nil
	}
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	return slices.Collect(maps.Keys(m.locks))
}

// releaseLocks gives the locks of a session back that has ended.
func (m *member) releaseLocks(names []string) {
	for _, name := range names {
		m.room.unlock(name, m.session)
	}
}

// regainLocks finds the locks of a session that came with it from another instance.
func (m *member) regainLocks() {
	r, now := m.room, time.Now()
	locks, err := r.hub.Locks(r.hub.ctx, r.id)
	if err != nil {
		locks = nil // they end by themselves, and cannot be relied on
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	held := map[string]time.Time{}
	for _, l := range locks {
		if l.Owner == m.session {
			held[l.Name] = now.Add(l.TTL)
		}
	}
	maps.Copy(held, m.locks) // those that were taken meanwhile
	m.locks = held
	m.showLocksLocked()
}

// retakeLocks takes the locks of members again, after the log was away or has lost its memory. One that cannot be
// had again is over.
func (r *room) retakeLocks() {
	type claim struct {
		m     *member
		name  string
		until time.Time
	}
	var claims []claim
	r.mu.Lock()
	for _, m := range r.members {
		for name, until := range m.locks {
			claims = append(claims, claim{m, name, until})
		}
	}
	r.mu.Unlock()
	for _, c := range claims {
		left := time.Until(c.until)
		taken := left > 0 && r.acquire(r.hub.ctx, c.name, c.m.session, left, true) == nil
		r.mu.Lock()
		_, wanted := c.m.locks[c.name]
		wanted = wanted && !c.m.ended
		if !taken {
			c.m.holdLocked(c.name, time.Time{})
		}
		r.mu.Unlock()
		if taken && !wanted { // it was released meanwhile
			r.unlock(c.name, c.m.session)
		}
	}
}
