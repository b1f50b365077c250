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
