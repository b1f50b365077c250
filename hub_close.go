package flow

import (
	"context"
	"maps"
	"slices"
	"time"
)

// byeGrace is how long a client has to take its bye before its connection is cut.
const byeGrace = time.Second

// Close ends the hub: no new connections, operations under way finish, every connection gets bye
// shutdown, sessions are left to be resumed, and every goroutine ends. It takes at most Config.Drain,
// also when a backend hangs, or until ctx ends. Further calls wait for the first.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	if h.draining {
		h.mu.Unlock()
		select {
		case <-h.closing:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.draining = true
	if len(h.conns) == 0 {
		close(h.empty)
	}
	h.mu.Unlock()
	defer close(h.closing)
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Drain)
	defer cancel()
	h.finish(ctx)
	h.consumers.stop()
	h.sayBye(ctx)
	h.depart(ctx)
	h.consumers.wait(ctx)
	h.stopBus()
	for _, r := range h.allRooms() {
		<-r.ready // the backends' own timeouts bound it
		r.shut()
	}
	h.gate.Lock()
	h.over = true
	h.gate.Unlock()
	h.cancel()
	for _, f := range h.flushers {
		f.stop()
	}
	h.work.Wait()
	if h.cfg.OnClosed != nil {
		h.cfg.OnClosed()
	}
	return nil
}

// finish waits until no operation is on its way to the log: for a moment, and longer for what waited for
// a log that has come back.
func (h *Hub) finish(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, most := time.Now(), max(h.cfg.Drain/2, h.cfg.Drain-2*byeGrace)
	for {
		busy, recovering := h.busy()
		took := time.Since(began)
		if !busy || took > byeGrace && !recovering || took > most {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// busy reports whether operations are on their way to the log, and whether of a room that recovers.
func (h *Hub) busy() (busy, recovering bool) {
	for _, r := range h.openRooms() {
		r.mu.Lock()
		busy = busy || r.seq.busy()
		recovering = recovering || r.seq.busy() && r.phase == phaseRecovering
		r.mu.Unlock()
	}
	return busy, recovering
}

// sayBye ends every connection, and cuts those that do not take it.
func (h *Hub) sayBye(ctx context.Context) {
	for _, c := range h.allConns() {
		c.Close(ByeShutdown)
	}
	patience := time.NewTimer(byeGrace)
	defer patience.Stop()
	select {
	case <-h.empty:
		return
	case <-patience.C:
	case <-ctx.Done():
	}
	for _, c := range h.allConns() {
		h.spawn(c.cut) // side by side: each may take a moment
	}
	select {
	case <-h.empty:
	case <-ctx.Done():
	}
}

// depart leaves the sessions in the store to be resumed elsewhere, and tells the other instances.
func (h *Hub) depart(ctx context.Context) {
	for _, r := range h.openRooms() {
		for _, m := range r.everybody() {
			h.keep(m)
		}
	}
	h.saveDirty(ctx)
	payload := append([]byte(h.cfg.Instance), "\n["...)
	payload = peerMessage{Kind: peerGone}.appendTo(payload)
	if err := h.cfg.Bus.Publish(ctx, controlTopic, append(payload, ']')); err != nil {
		h.log.Debug("saying good-bye to the other instances failed", "error", err)
	}
}

// openRooms returns the rooms that are open, in the random order of a map.
func (h *Hub) openRooms() []*room { return ready(h.allRooms()) }

// ready drops the rooms that are just being opened, in place.
func ready(rooms []*room) []*room {
	return slices.DeleteFunc(rooms, func(r *room) bool { return !r.opened() })
}

// allRooms returns the rooms, those too that are just being opened.
func (h *Hub) allRooms() []*room {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.rooms))
}

func (h *Hub) allConns() []*Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	conns := make([]*Conn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	return conns
}
