package flow

import (
	"context"
	"time"
)

const (
	tickEvery  = 250 * time.Millisecond
	storeEvery = 5 * time.Second // how often changed presence is written to the store
	checkRooms = 10              // logs looked at in one position check
)

// tick does what is due from time to time. The hub owns it; it ends with the hub's context.
func (h *Hub) tick() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	beat := or(h.cfg.PresenceTTL/3, time.Second)
	var lastBeat, lastStore time.Time
	lastTouch, lastCheck := time.Now(), time.Now()
	for {
		now := time.Now()
		h.watchState()
		h.reapMembers(now)
		h.resumeStalled()
		if now.Sub(lastBeat) >= beat {
			lastBeat = now
			h.control.send(peerMessage{Kind: peerBeat})
			h.reapInstances(now)
			h.closeIdle(now)
			all := now.Sub(lastTouch) >= h.cfg.SessionTTL/3
			if all {
				lastTouch = now
			}
			h.spawn(func() { h.touch(all) })
		}
		if now.Sub(lastCheck) >= h.cfg.PositionCheck {
			lastCheck = now
			h.checkPositions()
		}
		if now.Sub(lastStore) >= storeEvery {
			lastStore = now
			h.markMoved()
		}
		select {
		case <-ticker.C:
		case <-h.ctx.Done():
			return
		}
	}
}

// checkPositions reads the logs of some open rooms, in case their feed has gone silent without anybody
// noticing. The choice is random, so that many rooms share a bounded number of reads.
func (h *Hub) checkPositions() {
	if h.cfg.Log.Health().Backend == backendMemory {
		return // its feed is a function call
	}
	rooms := h.openRooms() // in the random order of a map
	for _, r := range rooms[:min(checkRooms, len(rooms))] {
		r.mu.Lock()
		r.readLocked()
		r.mu.Unlock()
	}
}

// watchState notices changes of the backends, logs each once and tells every client.
func (h *Hub) watchState() {
	changed := false
	for i, s := range h.Subsystems() {
		h.mu.Lock()
		before := h.parts[i]
		h.parts[i] = s.State
		h.mu.Unlock()
		if before == s.State || (before == "" && s.State == Live) {
			continue
		}
		h.log.Warn("subsystem changed state", "subsystem", s.Name, "backend", s.Backend, "from", string(or(before, Live)), "to", string(s.State))
		changed = true
		if s.State == Live {
			h.restored(s.Name)
		}
	}
	state := h.State()
	h.mu.Lock()
	changed = changed && h.state != state
	first := h.state == ""
	h.state = state
	h.mu.Unlock()
	if !changed || first && state == Live {
		return
	}
	f := stateFrame(state, "instance", time.Now())
	for _, c := range h.allConns() {
		c.send(f)
	}
}

// restored writes again what a backend missed while it was away.
func (h *Hub) restored(subsystem string) {
	for _, r := range h.openRooms() {
		r.mu.Lock()
		switch subsystem {
		case subsystemCollaboration:
			for _, m := range r.members {
				m.unsaved = true
			}
		case subsystemOrdering:
			r.readLocked()
		}
		r.mu.Unlock()
	}
	if subsystem == subsystemCollaboration {
		h.markMoved()
		h.wakeKeeper() // for what failed to be written or deleted meanwhile
	}
}

// reapMembers ends the place in the list of sessions whose client did not come back in time. They can
// still be resumed from the store.
func (h *Hub) reapMembers(now time.Time) {
	for _, r := range h.openRooms() {
		r.mu.Lock()
		var lost []*member
		for _, m := range r.members {
			if m.conn == nil && now.Sub(m.lost) >= h.cfg.Grace {
				lost = append(lost, m)
			}
		}
		r.mu.Unlock()
		for _, m := range lost {
			m.remove(LeaveDisconnected)
		}
	}
}

// resumeStalled lets members try again that could not be fed because the log was away.
func (h *Hub) resumeStalled() {
	h.mu.Lock()
	stalled := h.stalled
	h.stalled = map[*member]*Conn{}
	h.mu.Unlock()
	for m, c := range stalled {
		c.lag(m)
	}
}

// stall notes a member that waits for the log.
func (h *Hub) stall(c *Conn, m *member) {
	// A room's lock is held here, and the hub's comes before it: go another way.
	h.spawn(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.stalled[m] = c
	})
}

// sawInstance notes a sign of life.
func (h *Hub) sawInstance(instance string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[instance] = time.Now()
}

// reapInstances forgets the sessions of instances that have been silent for too long.
func (h *Hub) reapInstances(now time.Time) {
	h.mu.Lock()
	var dead []string
	for instance, at := range h.seen {
		if now.Sub(at) > h.cfg.PresenceTTL {
			dead = append(dead, instance)
			delete(h.seen, instance)
		}
	}
	for user, b := range h.rest {
		if b.idle(now) {
			delete(h.rest, user)
		}
	}
	h.mu.Unlock()
	for _, instance := range dead {
		h.log.Warn("another instance is silent, its participants are gone", "instance", instance)
		h.bury(instance, LeaveDisconnected)
	}
}

func (h *Hub) bury(instance string, reason LeaveReason) {
	for _, r := range h.openRooms() {
		r.bury(instance, reason)
	}
}

// closeIdle closes rooms that nobody has used for a while.
func (h *Hub) closeIdle(now time.Time) {
	var idle []*room
	h.mu.Lock()
	for id, r := range h.rooms {
		if r.users > 0 || !r.unused() {
			r.idle = now
			continue
		}
		if now.Sub(r.idle) >= roomIdle {
			delete(h.rooms, id)
			idle = append(idle, r)
		}
	}
	h.mu.Unlock()
	for _, r := range idle {
		r.shut()
	}
}

// touch tells the store that this instance lives, and, when all is set, renews its sessions.
func (h *Hub) touch(all bool) {
	var ids []string
	members := map[string]*member{}
	if all {
		for _, r := range h.openRooms() {
			r.mu.Lock()
			for id, m := range r.members {
				if m.conn != nil {
					ids = append(ids, id)
					members[id] = m
				}
			}
			r.mu.Unlock()
		}
	}
	lost, err := h.cfg.Sessions.Touch(h.ctx, h.cfg.Instance, ids)
	if err != nil {
		return // the subsystem's state tells; its return writes everything again
	}
	for _, id := range lost {
		h.found(members[id])
	}
}

// found decides about a session that the store does not have as this instance's: one that another
// instance has taken over is let go, one that was forgotten is written again.
func (h *Hub) found(m *member) {
	if h.elsewhere(h.ctx, m.session) {
		m.end(LeaveReplaced)
		return
	}
	m.room.mu.Lock()
	m.unsaved = true
	m.room.mu.Unlock()
	h.keep(m)
}

// keep makes the keeper write a session soon.
func (h *Hub) keep(m *member) {
	h.mu.Lock()
	h.unsaved[m] = struct{}{}
	h.mu.Unlock()
	h.wakeKeeper()
}

// forget makes the keeper delete a session soon.
func (h *Hub) forget(m *member) {
	h.mu.Lock()
	delete(h.unsaved, m)
	h.ended[m.session] = struct{}{}
	h.mu.Unlock()
	h.wakeKeeper()
}

// hasEnded reports whether a session is over that the store may still have.
func (h *Hub) hasEnded(session string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ended := h.ended[session]
	return ended
}

func (h *Hub) wakeKeeper() {
	select {
	case h.dirty <- struct{}{}:
	default:
	}
}

// markMoved gives the keeper the sessions whose presence has changed.
func (h *Hub) markMoved() {
	for _, r := range h.openRooms() {
		r.mu.Lock()
		var moved []*member
		for _, m := range r.members {
			if m.unsaved {
				moved = append(moved, m)
			}
		}
		r.mu.Unlock()
		for _, m := range moved {
			h.keep(m)
		}
	}
}

// keepSessions writes sessions to the store. The hub owns it; it ends with the hub's context. One
// goroutine does it, so that a session's last state is written last.
func (h *Hub) keepSessions() {
	for {
		select {
		case <-h.dirty:
			h.saveDirty(h.ctx)
		case <-h.ctx.Done():
			return
		}
	}
}

// saveDirty writes and deletes what is marked. What fails stays marked for the return of the store.
func (h *Hub) saveDirty(ctx context.Context) {
	h.mu.Lock()
	unsaved, ended := h.unsaved, h.ended
	h.unsaved, h.ended = map[*member]struct{}{}, map[string]struct{}{}
	h.mu.Unlock()
	for m := range unsaved {
		if !h.save(ctx, m) {
			h.mu.Lock()
			h.unsaved[m] = struct{}{}
			h.mu.Unlock()
		}
	}
	for id := range ended {
		if err := h.cfg.Sessions.Delete(ctx, id); err != nil {
			h.mu.Lock()
			h.ended[id] = struct{}{}
			h.mu.Unlock()
		}
	}
}

// save writes one session; false when the store is away.
func (h *Hub) save(ctx context.Context, m *member) bool {
	m.room.mu.Lock()
	s := m.record()
	over := m.gone && m.room.members[m.session] != nil // a newer member has the session
	m.unsaved = false
	m.room.mu.Unlock()
	if over || s.Instance == "" && h.elsewhere(ctx, s.ID) {
		return true
	}
	return h.cfg.Sessions.Put(ctx, s) == nil
}

// elsewhere reports whether another instance has taken a session over. Without a shared bus this
// instance is not told.
func (h *Hub) elsewhere(ctx context.Context, session string) bool {
	s, err := h.cfg.Sessions.Get(ctx, session)
	return err == nil && s.Instance != "" && s.Instance != h.cfg.Instance
}
