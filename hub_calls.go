package flow

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"
)

// askTimeout is how long another instance has to say that it did what it was asked for.
const askTimeout = 500 * time.Millisecond

// RoomInfo is what is known of a room.
type RoomInfo struct {
	Room         string `json:"room"`
	Head         string `json:"head"`               // the position at the end of the log
	Operations   uint64 `json:"operations"`         // kept in the log
	Participants int    `json:"participants"`       // known to this instance
	Durability   string `json:"durability"`         // "redis" or "memory"
	Snapshot     string `json:"snapshot,omitempty"` // the position of the newest snapshot
}

// pageBytes is about how much data one page of [Hub.Operations] has at most.
const pageBytes = 8 << 20

// Operations returns a page of a room's log; see [Log.Read]. It has q.Limit operations if the log does, but not
// more than about 8 MiB. While the log is away, what this instance has of it is returned, if that reaches back
// to q.After.
func (h *Hub) Operations(ctx context.Context, room string, q Query) (Page, error) {
	if !ValidRoom(room) {
		return Page{}, errInvalidRoom()
	}
	page, err := h.cfg.Log.Read(ctx, room, q)
	if err == nil {
		h.fill(ctx, room, &page, q.Limit)
	}
	if ErrorCode(err) != CodeUnavailable {
		return page, err
	}
	if r := h.peek(room); r != nil {
		if page, ok := r.recent(q); ok {
			return page, nil
		}
	}
	return page, err
}

// fill adds to a page what it lacks up to a limit, because a backend gives less at a time. What it cannot get is
// left for the next page.
func (h *Hub) fill(ctx context.Context, room string, page *Page, limit int) {
	size, seen := 0, 0
	for n := len(page.Operations); n > 0 && n < limit; n = len(page.Operations) {
		for ; seen < n; seen++ {
			size += len(page.Operations[seen].Data)
		}
		last := page.Operations[n-1].Position()
		if last.Seq >= page.Head.Seq || size >= pageBytes {
			return
		}
		more, err := h.cfg.Log.Read(ctx, room, Query{After: last, Limit: limit - n})
		if err != nil || len(more.Operations) == 0 {
			return
		}
		page.Operations = slices.Concat(page.Operations, more.Operations)
		page.Head = more.Head
	}
}

// recent answers a query from the ring; ok is false when the ring does not reach that far.
func (r *room) recent(q Query) (page Page, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries, ok := r.ring.after(q.After.Seq, math.MaxInt)
	if at, _ := r.ring.at(q.After.Seq); !ok || r.seq.head.Seq == 0 || !q.Unchecked && at != q.After {
		return page, false
	}
	page.Head = r.seq.head
	for i := range entries[:min(q.Limit, len(entries))] {
		page.Operations = append(page.Operations, entries[i].op)
	}
	return page, true
}

// Snapshot returns a room's newest snapshot, [CodeNotFound] when it has none.
func (h *Hub) Snapshot(ctx context.Context, room string) (Snapshot, error) {
	if !ValidRoom(room) {
		return Snapshot{}, errInvalidRoom()
	}
	return h.cfg.Log.Snapshot(ctx, room)
}

// SaveSnapshot stores a room's state at a position; see [Log.SaveSnapshot]. A room with a reducer makes its own
// ([CodeRejected]); more than Config.SnapshotBytes are [CodeTooLarge].
func (h *Hub) SaveSnapshot(ctx context.Context, room string, s Snapshot) error {
	if !ValidRoom(room) {
		return errInvalidRoom()
	}
	switch {
	case h.cfg.reductionOf(room) != nil:
		return Errorf(CodeRejected, "the server makes the snapshots of this room from its operations")
	case len(s.Data) > h.cfg.SnapshotBytes:
		return Errorf(CodeTooLarge, "a snapshot must have at most "+strconv.Itoa(h.cfg.SnapshotBytes)+" bytes")
	case !validJSON(s.Data):
		return Errorf(CodeInvalidMessage, "data must be one JSON text")
	}
	s.Data = compactJSON(s.Data)
	r, era := h.peek(room), 0
	if r != nil {
		era = r.era()
	}
	if err := h.cfg.Log.SaveSnapshot(ctx, room, s); err != nil {
		return err
	}
	h.stats.snapshots.Add(1)
	if r != nil {
		r.keepSnapshot(s, era)
	}
	return nil
}

// Rooms returns the rooms that are open here or have sessions anywhere, sorted by id, after the given
// id. It returns fewer than limit only at the end.
func (h *Hub) Rooms(ctx context.Context, after string, limit int) ([]RoomInfo, error) {
	infos := make([]RoomInfo, 0, limit)
	for {
		ids, err := h.roomsAfter(ctx, after, limit)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			info, err := h.Room(ctx, id)
			switch ErrorCode(err) {
			case "":
				infos = append(infos, info)
			case CodeNotFound, CodeRoomDeleted: // gone meanwhile
			default:
				infos = append(infos, RoomInfo{Room: id, Durability: h.durability()})
			}
			if len(infos) == limit {
				return infos, nil
			}
			after = id
		}
		if len(ids) < limit {
			return infos, nil
		}
	}
}

// roomsAfter returns at most limit ids of rooms, sorted. It looks at the name of each room that is open here; what
// the store is asked for, and what is told of rooms, is the page's.
func (h *Hub) roomsAfter(ctx context.Context, after string, limit int) ([]string, error) {
	ids, err := h.cfg.Sessions.Rooms(ctx, after, limit)
	if err != nil && ErrorCode(err) != CodeUnavailable {
		return nil, err
	}
	l := listing{after: after, limit: limit, ids: ids}
	h.mu.Lock()
	for id, r := range h.rooms {
		if r.opened() {
			l.add(id)
		}
	}
	h.mu.Unlock()
	return l.page(), nil
}

// Room returns what is known of a room, [CodeNotFound] when it was never used.
func (h *Hub) Room(ctx context.Context, room string) (RoomInfo, error) {
	page, err := h.Operations(ctx, room, Query{Unchecked: true})
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return RoomInfo{}, err
	}
	there, err := h.countParticipants(ctx, room)
	if err != nil {
		return RoomInfo{}, err
	}
	if page.Head.Seq == 0 && there == 0 && h.peek(room) == nil {
		return RoomInfo{}, Errorf(CodeNotFound, "there is no such room")
	}
	info := RoomInfo{
		Room: room, Head: page.Head.String(), Operations: page.Head.Seq - page.Base.Seq,
		Participants: there, Durability: h.durability(),
	}
	if page.Snapshot.Seq > 0 {
		info.Snapshot = page.Snapshot.String()
	}
	return info, nil
}

// DeleteRoom removes a room's log, snapshot and sessions everywhere. Its members get left deleted.
func (h *Hub) DeleteRoom(ctx context.Context, room string) error {
	if !ValidRoom(room) {
		return errInvalidRoom()
	}
	if err := h.cfg.Log.Delete(ctx, room); err != nil {
		return err
	}
	h.entomb(room)
	if r := h.peek(room); r != nil {
		r.fed(Feed{Deleted: true})
	}
	return h.endStored(ctx, SessionQuery{Room: room})
}
