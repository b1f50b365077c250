package flow

import (
	"context"
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
		m.room.stirLocked()
		if had {
			return
		}
	}
	m.showLocksLocked()
}

// showLocksLocked tells everybody which locks a member has.
func (m *member) showLocksLocked() {
	if m.gone {
		return
	}
	patch := presence{m.shownLocks()}
	m.state, m.unsaved = m.state.merge(patch), true
	m.room.movedLocked(m.session, patch)
}

// shownLocks returns the key of presence that tells which locks a member has; without a value when there are none.
// The room's lock is held.
func (m *member) shownLocks() presenceKey {
	key := presenceKey{name: locksKey}
	if len(m.locks) == 0 {
		return key
	}
	key.value = append(key.value, '[')
	for i, name := range slices.Sorted(maps.Keys(m.locks)) {
		if i > 0 {
			key.value = append(key.value, ',')
		}
		key.value = appendString(key.value, name)
	}
	key.value = append(key.value, ']')
	return key
}

// lock takes a lock. What this instance believes ends no later than in the backend: time counts from before the
// request.
func (m *member) lock(ctx context.Context, name string, ttl time.Duration) error {
	r, before := m.room, time.Now()
	had, err := m.mayLock(name, before)
	if err != nil {
		return err
	}
	err = r.acquire(ctx, name, m.session, ttl, had)
	r.mu.Lock()
	defer r.mu.Unlock()
	m.tookLocked(name, before.Add(ttl), err)
	return err
}

// mayLock refuses what the backend need not be asked, and reports whether the member has the lock already.
func (m *member) mayLock(name string, now time.Time) (had bool, err error) {
	r := m.room
	health := r.hub.cfg.Log.Health(r.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	m.endLocksLocked(now)
	_, had = m.locks[name]
	if had {
		return true, nil // what is its own it may renew also while the log settles
	}
	if len(m.locks) >= maxLocks {
		return false, Errorf(CodeTooLarge, "a session may have 32 locks in a room at most")
	}
	return false, r.lockableLocked(health)
}

// tookLocked draws the conclusions from a request that asked for a lock until then. The client goes by the answers
// it got, so what it was given before stands when the outcome is in doubt, until the sooner of the two ends. What is
// new is then not had, and ends by itself if it was taken.
func (m *member) tookLocked(name string, until time.Time, err error) {
	known, has := m.locks[name]
	switch code := ErrorCode(err); {
	case err == nil && m.gone:
		m.giveBackLocked(name)
	case err == nil:
		m.holdLocked(name, until)
	case code == CodeLocked || code == CodeRoomDeleted:
		m.holdLocked(name, time.Time{})
	case has && until.Before(known):
		m.holdLocked(name, until)
	}
}

// giveBackLocked releases a lock that the session does not have. One that lives on elsewhere may have it there.
func (m *member) giveBackLocked(name string) {
	if !m.gone || m.ended {
		m.room.hub.spawn(func() { m.room.unlock(name, m.session) })
	}
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

// dropLocksLocked lets go of all locks, and gives them back.
func (m *member) dropLocksLocked() {
	names := slices.Collect(maps.Keys(m.locks))
	if len(names) == 0 {
		return
	}
	for _, name := range names {
		m.holdLocked(name, time.Time{})
	}
	m.room.hub.spawn(func() { m.releaseLocks(names) })
}
