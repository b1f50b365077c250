package flow

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// touchSample is how many sessions each sign of life asks for: a store that lost its memory without
// going away is noticed so.
const touchSample = 4

// touch tells the store that this instance lives, and renews its sessions: all of them, or a few. When
// one of the few is lost, all are asked for.
func (h *Hub) touch(all bool) {
	members := h.holding(all)
	lost, err := h.cfg.Sessions.Touch(h.ctx, h.cfg.Instance, slices.Collect(maps.Keys(members)))
	if err != nil {
		return // the subsystem's state tells; its return writes everything again
	}
	if len(lost) > 0 && !all {
		h.touch(true)
		return
	}
	for _, id := range lost {
		h.found(members[id])
	}
}

// holding returns the sessions whose sockets are here, or a few of them, by chance.
func (h *Hub) holding(all bool) map[string]*member {
	members := map[string]*member{}
	for _, r := range h.openRooms() {
		if !all && len(members) >= touchSample {
			break
		}
		r.mu.Lock()
		for id, m := range r.members {
			if m.conn != nil && (all || len(members) < touchSample) {
				members[id] = m
			}
		}
		r.mu.Unlock()
	}
	return members
}

// found has a session looked at that the store does not have as this instance's: one that another instance
// has taken over is let go, one that was forgotten is written again.
func (h *Hub) found(m *member) {
	m.room.mu.Lock()
	m.unsaved, m.rival = true, true
	m.room.mu.Unlock()
	h.keep(m)
}

// keeperMost bounds what waits, of either kind, for a store that is away for long.
const keeperMost = 100_000

// keep makes the keeper write a session soon.
func (h *Hub) keep(m *member) {
	h.mu.Lock()
	if len(h.unsaved) < keeperMost {
		h.unsaved[m] = struct{}{}
	}
	h.mu.Unlock()
	h.wakeKeeper()
}

// forget makes the keeper delete a session soon.
func (h *Hub) forget(m *member) {
	h.mu.Lock()
	delete(h.unsaved, m)
	h.mu.Unlock()
	h.forgetID(m.session)
}

func (h *Hub) forgetID(session string) {
	h.mu.Lock()
	for other := range h.ended {
		if len(h.ended) < keeperMost {
			break
		}
		delete(h.ended, other) // the store forgets it in its own time
	}
	h.ended[session] = struct{}{}
	h.mu.Unlock()
	h.wakeKeeper()
}

// hasEnded reports whether a session is over that the store may still have.
func (h *Hub) hasEnded(session string) bool {
	if h.parted.has(session) {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ended := h.ended[session]
	return ended
}

// doubt notes that there are tokens of sessions that the store has not known from their beginning. Such a token
// is good also when the store does not know the session, so those that end are remembered from now on.
func (h *Hub) doubt() { h.doubted.Store(time.Now().UnixNano()) }

// heed is doubt for a token that was shown: also when the store knows its session by now, it says when it began
// without one; the zero time: it did not.
func (h *Hub) heed(unsaved time.Time) {
	if time.Since(unsaved) <= h.cfg.SessionTTL {
		h.doubt()
	}
}

// noteOver remembers a session that has ended for good. It may be called with a room's lock held.
func (h *Hub) noteOver(session string) {
	h.parted.add(session)
	if at := h.doubted.Load(); at > 0 && time.Since(time.Unix(0, at)) <= h.cfg.SessionTTL {
		h.finished.add(session)
	}
}

// livesUnsaved reports whether a session that the store does not know has not ended: the store was away when it
// began, or has lost its memory.
func (h *Hub) livesUnsaved(ctx context.Context, room, session string, unsaved time.Time) bool {
	if time.Since(unsaved) > h.cfg.SessionTTL {
		return h.someoneHas(ctx, room, session)
	}
	if h.finished.has(session) {
		return false
	}
	return h.alone() || !h.ask(ctx, peerMessage{Kind: peerOver, Session: session})
}

func (h *Hub) wakeKeeper() {
	select {
	case h.dirty <- struct{}{}:
	default:
	}
}

// markMoved gives the keeper the sessions whose presence has changed, and lets it try again what has
// failed.
func (h *Hub) markMoved() {
	h.mu.Lock()
	waiting := len(h.unsaved)+len(h.ended) > 0
	h.mu.Unlock()
	if waiting {
		h.wakeKeeper()
	}
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

// keepSessions writes sessions to the store. The hub owns it; it ends with the hub's context. A join and
// the end of the hub write by themselves, since they wait for the outcome.
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

// keepAtOnce is how many sessions the keeper writes or deletes at a time, so that a store can send together what
// it is asked at the same moment.
const keepAtOnce = 64

// saveDirty writes and deletes what is marked. What fails stays marked, and is tried again from time to
// time. A session counts as ended until the store has forgotten it. One call waits for another, so that after it
// nothing that was marked before is under way.
func (h *Hub) saveDirty(ctx context.Context) {
	select {
	case h.keeping <- struct{}{}:
		defer func() { <-h.keeping }()
	case <-ctx.Done():
		return
	}
	h.mu.Lock()
	unsaved, ended := slices.Collect(maps.Keys(h.unsaved)), slices.Collect(maps.Keys(h.ended))
	h.unsaved = map[*member]struct{}{}
	h.mu.Unlock()
	forEach(keepAtOnce, unsaved, func(m *member) {
		if !h.save(ctx, m) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.unsaved[m] = struct{}{}
		}
	})
	forEach(keepAtOnce, ended, func(id string) {
		if h.cfg.Sessions.Delete(ctx, id) == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.ended, id)
		}
	})
}

// forEach calls do for each, as many at a time, and returns when all calls have.
func forEach[T any](atOnce int, all []T, do func(T)) {
	if len(all) == 1 {
		do(all[0])
		return
	}
	var workers sync.WaitGroup
	var next atomic.Int64
	for range min(atOnce, len(all)) {
		workers.Go(func() { // ends when all have been called
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				do(all[i])
			}
		})
	}
	workers.Wait()
}

// save writes one session; false when the store is away.
func (h *Hub) save(ctx context.Context, m *member) bool {
	m.room.mu.Lock()
	s := m.record()
	over := m.ended || m.gone && m.room.members[m.session] != nil // a newer member has the session
	rival := m.rival || s.Instance == ""
	fleeting := m.fleeting && s.Instance == ""
	m.unsaved, m.rival = false, false
	m.room.mu.Unlock()
	switch {
	case over:
		return true
	case rival && h.elsewhere(ctx, s):
		m.finish(LeaveReplaced, func() bool { return m.claimed == s.Claimed })
		return true
	case fleeting && h.cfg.Sessions.Delete(ctx, s.ID) == nil:
		return true
	}
	if !fleeting && h.cfg.Sessions.Put(ctx, s) == nil {
		return true
	}
	m.room.mu.Lock()
	m.rival = m.rival || rival
	m.room.mu.Unlock()
	return false
}

// elsewhere reports whether another instance has taken a session over since this one had it. Without a
// shared bus this instance is not told.
func (h *Hub) elsewhere(ctx context.Context, s Session) bool {
	stored, err := h.cfg.Sessions.Get(ctx, s.ID)
	return err == nil && stored.Instance != "" && stored.Instance != h.cfg.Instance && stored.Claimed > s.Claimed
}
