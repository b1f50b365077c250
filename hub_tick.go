package flow

import (
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
		h.tend(now)
		if h.amnesia.Swap(false) {
			h.consumers.remark()
			h.spawn(func() { h.touch(true) })
		}
		h.resumeStalled()
		h.tellRights()
		if now.Sub(lastBeat) >= beat {
			lastBeat = now
			h.control.send(peerMessage{Kind: peerBeat})
			h.reapInstances(now)
			h.announceAgain()
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
// noticing, and so that the logs of rooms in use do not expire. The choice is random, so that many rooms share
// a bounded number of reads.
func (h *Hub) checkPositions() {
	rooms := h.openRooms()
	for _, r := range rooms[:min(checkRooms, len(rooms))] {
		r.readAgain()
	}
}

// reapMembers ends the place in the list of sessions whose client did not come back in time. They can
// still be resumed from the store.
func (h *Hub) reapMembers(now time.Time, rooms []*room) {
	for _, r := range rooms {
		r.mu.Lock()
		var lost []*member
		for _, m := range r.members {
			m.endLocksLocked(now)
			if m.conn == nil && now.Sub(m.lost) >= h.cfg.Grace {
				lost = append(lost, m)
			}
		}
		r.mu.Unlock()
		for _, m := range lost {
			m.expire(now)
		}
	}
}

// resumeStalled lets members try again that could not be fed because the log was away.
func (h *Hub) resumeStalled() {
	h.mu.Lock()
	stalled := h.stalled
	h.stalled = map[*member]struct{}{}
	h.mu.Unlock()
	for m := range stalled {
		m.room.mu.Lock()
		if m.conn != nil {
			m.conn.lag(m)
		}
		m.room.mu.Unlock()
	}
}

// stall notes a member that waits for the log.
func (h *Hub) stall(m *member) {
	// A room's lock is held here, and the hub's comes before it: go another way.
	h.spawn(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.stalled[m] = struct{}{}
	})
}

// sawInstance notes a sign of life. One that was not known, or was taken for dead, is asked who is
// there.
func (h *Hub) sawInstance(instance string) {
	h.mu.Lock()
	_, known := h.seen[instance]
	h.seen[instance] = time.Now()
	h.mu.Unlock()
	if !known {
		h.greet()
	}
}

// announceAgain tells the other instances who is in the rooms for which the bus has lost a message.
func (h *Hub) announceAgain() {
	for _, r := range h.openRooms() {
		if r.peers.lossy() {
			r.announce(peerList)
		}
	}
}

// reapInstances forgets the sessions of instances that have been silent for too long.
func (h *Hub) reapInstances(now time.Time) {
	deaf := h.cfg.Bus.Health().Partial // the topic that tells may be on the node that is away
	h.mu.Lock()
	var dead []string
	for instance, at := range h.seen {
		if !deaf && now.Sub(at) > h.cfg.PresenceTTL {
			dead = append(dead, instance)
			delete(h.seen, instance)
		}
	}
	for room, at := range h.deleted {
		if now.Sub(at) > tombstone {
			delete(h.deleted, room)
		}
	}
	h.reapAccountsLocked(now)
	h.mu.Unlock()
	for _, instance := range dead {
		h.log.Warn("another instance was not heard of for too long, its participants leave the lists",
			"instance", instance)
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
		if now.Sub(r.idle) >= roomIdle || r.isDeleted() {
			delete(h.rooms, id)
			idle = append(idle, r)
		}
	}
	if len(h.rooms) == 0 && len(idle) > 0 {
		h.rooms = map[string]*room{} // a map keeps the room it once needed
	}
	h.mu.Unlock()
	for _, r := range idle {
		r.shut()
		h.tellRoom("OnRoomIdle", h.cfg.OnRoomIdle, r.id)
	}
}
