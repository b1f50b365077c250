package flow

import (
	"context"
	"time"
)

// tombstone is how long this instance knows that a room is deleted. It is a little shorter than a log's
// tombstone, which must not be set again when it has just ended.
const tombstone = 10*time.Minute - 5*time.Second

// entomb notes that a room was deleted.
func (h *Hub) entomb(room string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deleted[room] = time.Now()
}

// deletedAt returns when a room was deleted whose tombstone must still stand; zero if none is known of.
func (h *Hub) deletedAt(room string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.deleted[room]
	if !ok || time.Since(at) > tombstone {
		delete(h.deleted, room)
		return time.Time{}
	}
	return at
}

// risen reports whether a room was deleted and the log does not know it: because the log is away, or has
// lost the tombstone, which is then set again. A room that has been written since then stays: others have
// taken its id for a new one, and what they wrote is confirmed.
func (h *Hub) risen(ctx context.Context, room string) bool {
	at := h.deletedAt(room)
	if at.IsZero() {
		return false
	}
	page, err := h.cfg.Log.Read(ctx, room, Query{Unchecked: true})
	if (err == nil || ErrorCode(err) == CodeTrimmed) && page.Head.Seq > 0 {
		last := Query{After: Position{Seq: page.Head.Seq - 1}, Unchecked: true, Limit: 1}
		page, err = h.cfg.Log.Read(ctx, room, last)
	}
	n := len(page.Operations)
	if err != nil || n == 0 && page.Head.Seq > 0 {
		return true // the log is away, or knows, or is being written
	}
	if n > 0 && page.Operations[n-1].Time > at.UnixMilli() {
		h.log.Warn("a deleted room was written again, its tombstone was lost", "room", room)
		h.mu.Lock()
		delete(h.deleted, room)
		h.mu.Unlock()
		return false
	}
	if err := h.cfg.Log.Delete(ctx, room); err != nil && ErrorCode(err) != CodeRoomDeleted {
		h.log.Warn("setting a tombstone again failed", "room", room, "error", err)
	}
	return true
}

// renewTombstones sets the tombstones again that a log may have lost: they win over any
// copy of the room, but not over what was written since.
func (h *Hub) renewTombstones(ctx context.Context) {
	h.mu.Lock()
	rooms := make([]string, 0, len(h.deleted))
	for room := range h.deleted {
		rooms = append(rooms, room)
	}
	h.mu.Unlock()
	for _, room := range rooms {
		h.risen(ctx, room)
	}
}
