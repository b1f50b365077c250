package flow

import (
	"time"
)

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
		h.log.Warn("subsystem changed state", "subsystem", s.Name, "backend", s.Backend,
			"from", string(or(before, Live)), "to", string(s.State))
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
	}
}
