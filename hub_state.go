package flow

import (
	"log/slog"
	"time"
)

// watchState notices changes of the backends, logs each once and tells the clients.
func (h *Hub) watchState(now time.Time, rooms []*room) {
	for _, r := range rooms {
		r.attend(now)
		r.hurry(now)
		r.seeToSnapshot(now)
		r.unshareIdle(now)
		r.dropRoster(now)
	}
	ordering := h.watchSubsystems()
	state := worse(worse(stateFor(h.cfg.Sessions.Health()), stateFor(h.cfg.Bus.Health())), ordering)
	changed := h.state.Swap(state) != state
	if changed {
		f := stateFrame("", state, now)
		for _, c := range h.allConns() {
			c.send(f)
		}
	}
	if changed || ordering != h.stirring.ordering {
		h.stirring.ordering = ordering
		rooms = h.openRooms()
	}
	for _, r := range rooms {
		r.tellState(ordering, changed, now)
	}
}

// stateFor returns what clients are told of a backend: one that is away in part is the matter of the rooms
// on that part.
func stateFor(health Health) State {
	if health.Partial {
		return Live
	}
	return health.State
}

// watchSubsystems logs what has changed, and lets what missed something be written again. It returns
// the state of ordering as it concerns every room.
func (h *Hub) watchSubsystems() State {
	for i, s := range h.Subsystems() {
		h.mu.Lock()
		before, since := h.parts[i], h.since[i]
		h.parts[i] = s.State
		if s.State != Recovering {
			h.since[i] = s.Since
		}
		h.mu.Unlock()
		if s.State != Degraded && (before == Degraded || s.State == Live && !since.Equal(s.Since)) {
			h.restored(s.Name) // also after an outage so short that nobody saw it
		}
		if before == s.State {
			continue
		}
		level := slog.LevelWarn
		if s.State == Live {
			level = slog.LevelInfo
		}
		h.log.Log(h.ctx, level, "subsystem changed state", "subsystem", s.Name, "backend", s.Backend,
			"from", string(before), "to", string(s.State))
	}
	health := h.cfg.Log.Health("")
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case health.State != Live && !health.Partial:
		h.healing = true
		return Degraded
	case h.healing && h.troubled.Load() > 0:
		return Recovering
	}
	h.healing = false
	return Live
}

// told returns the state that clients were told.
func (h *Hub) told() State {
	state, _ := h.state.Load().(State)
	return state
}

// tellState tells the members of a room when it alone is in trouble. What is told of the instance holds
// for its rooms too; when that has changed, a room that is still in trouble is told again.
func (r *room) tellState(ordering State, again bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := Live
	if ordering == Live {
		state = r.phase.state()
	}
	if r.told == state && (!again || state == Live) {
		return
	}
	r.told = state
	f := stateFrame(r.id, state, now)
	for _, m := range r.list {
		m.conn.send(f)
	}
}

// restored writes again what a backend missed while it was away. Rooms see to their logs themselves.
func (h *Hub) restored(subsystem string) {
	switch subsystem {
	case subsystemCollaboration:
		for _, r := range h.openRooms() {
			r.mu.Lock()
			for _, m := range r.members {
				m.unsaved, m.rival = true, true
			}
			r.mu.Unlock()
		}
		h.markMoved()
	case subsystemOrdering:
		h.spawn(func() { h.renewTombstones(h.ctx) })
	}
	h.amnesia.Store(true) // what lost one kind of data may have lost the others
}
