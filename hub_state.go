package flow

import (
	"log/slog"
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
		if before == s.State {
			continue
		}
		changed = true
		level := slog.LevelWarn
		if s.State == Live {
			level = slog.LevelInfo
			h.restored(s.Name)
		}
		h.log.Log(h.ctx, level, "subsystem changed state", "subsystem", s.Name, "backend", s.Backend,
			"from", string(before), "to", string(s.State))
	}
	state := h.State()
	h.mu.Lock()
	changed = changed && h.state != state
	h.state = state
	h.mu.Unlock()
	if !changed {
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
