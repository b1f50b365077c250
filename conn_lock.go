package flow

import (
	"context"
	"strconv"
	"time"
)

// lock takes a lock for the session, or sets its end anew.
func (c *Conn) lock(m *message) {
	if !c.needID(m) {
		return
	}
	mem := c.inRoom(m, Editor)
	if mem == nil {
		return
	}
	ttl, err := lockTTL(m.ttl)
	if err == nil {
		err = c.hub.checkLock(m.room, m.name, ttl)
	}
	if err == nil {
		err = mem.lock(context.Background(), m.name, ttl)
	}
	if err != nil {
		c.refuse(m, err)
		return
	}
	c.hub.keep(mem) // so that it comes along when the session moves
	buf := appendField(frameOf("ok"), "id", m.id)
	buf = appendField(appendField(buf, "room", m.room), "name", m.name)
	c.send(seal("ok", appendNumber(buf, "ttl", ttl.Milliseconds())))
}

// unlock ends a lock of the session.
func (c *Conn) unlock(m *message) {
	if !c.needID(m) {
		return
	}
	mem := c.inRoom(m, Viewer)
	if mem == nil {
		return
	}
	if err := c.hub.checkLock(m.room, m.name, defaultLock); err != nil {
		c.refuse(m, err)
		return
	}
	r := mem.room
	r.mu.Lock()
	mem.holdLocked(m.name, time.Time{})
	r.mu.Unlock()
	if err := c.hub.cfg.Leases.Release(context.Background(), r.id, lockPrefix+m.name, mem.session); err != nil {
		c.refuse(m, err)
		return
	}
	c.done(m)
}

// lockTTL reads how long a lock is wanted.
func lockTTL(value []byte) (time.Duration, error) {
	if value == nil {
		return defaultLock, nil
	}
	ms, err := strconv.ParseUint(string(value), 10, 32)
	if err != nil {
		return 0, Errorf(CodeInvalidMessage, "ttl must be a whole number of milliseconds, from 1000 to 60000")
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// lock takes a lock. What this instance believes ends no later than in the backend: time counts from before the
// request. After one whose outcome is in doubt it believes in none.
func (m *member) lock(ctx context.Context, name string, ttl time.Duration) error {
	r, before := m.room, time.Now()
	r.mu.Lock()
	until, has := m.locks[name]
	full := len(m.locks) >= maxLocks && !has
	r.mu.Unlock()
	if full {
		return Errorf(CodeTooLarge, "a session may have 32 locks in a room at most")
	}
	err := r.acquire(ctx, name, m.session, ttl, has && before.Before(until))
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		m.holdLocked(name, time.Time{})
	case m.gone && !m.ended: // it is taken again where the session is now
	case m.gone:
		r.hub.spawn(func() { r.unlock(name, m.session) }) // the session has ended meanwhile
	default:
		m.holdLocked(name, before.Add(ttl))
	}
	return err
}
