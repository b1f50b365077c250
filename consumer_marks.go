package flow

import (
	"math/rand/v2"
	"time"
)

const (
	markEvery = 5 * time.Minute  // how often the marks of open rooms are set again
	markStale = 10 * time.Minute // how old the mark of an instance gets that is not there any more
	markPage  = 100              // marks that are set, or looked at, at a time
	sweepRest = time.Minute      // between two looks for rooms that somebody has left
)

// mark marks a room that has consumers. Nothing is written to it before.
func (r *room) mark() error {
	if len(r.groups) == 0 {
		return nil
	}
	return r.hub.cfg.Cursors.Mark(r.hub.ctx, r.hub.cfg.Instance, r.id)
}

// appendedLocked tells that there may be something new in a room. It does not block.
func (r *room) appendedLocked() {
	for _, g := range r.groups {
		g.wake(r.id)
	}
}

// watch keeps the marks of open rooms fresh, and has the rooms consumed that another instance, or an earlier
// run of this one, has left.
func (s *consumers) watch() {
	ticker := time.NewTicker(groupPause)
	defer ticker.Stop()
	var marked, swept time.Time
	rest := time.Duration(0)
	for {
		now := time.Now()
		if s.unmarked.Swap(false) || now.Sub(marked) >= markEvery {
			marked = now
			s.markOpen()
		}
		if now.Sub(swept) >= rest && s.sweep(swept.IsZero()) {
			swept, rest = now, sweepRest*3/4+rand.N(sweepRest/2)
		}
		select {
		case <-ticker.C:
		case <-s.hub.ctx.Done():
			return
		}
	}
}

// markOpen sets the marks of all open rooms again.
func (s *consumers) markOpen() {
	var rooms []string
	for _, r := range s.hub.openRooms() {
		if len(r.groups) > 0 {
			rooms = append(rooms, r.id)
		}
	}
	for len(rooms) > 0 {
		page := rooms[:min(markPage, len(rooms))]
		rooms = rooms[len(page):]
		if err := s.hub.cfg.Cursors.Mark(s.hub.ctx, s.hub.cfg.Instance, page...); err != nil {
			s.remark() // in a moment
			return
		}
	}
}

// sweep wakes the groups for marked rooms that nobody sees to, all of them at the start; false when the marks
// cannot be read. A mark is removed once its room has nothing left.
func (s *consumers) sweep(all bool) bool {
	ctx, cursors := s.hub.ctx, s.hub.cfg.Cursors
	var after Mark
	for {
		page, err := cursors.Marked(ctx, after, markPage)
		if err != nil {
			return false
		}
		var over []Mark
		for _, m := range page {
			orphaned := s.orphaned(m)
			switch {
			case !all && !orphaned:
			case !orphaned || !s.consumed(m.Room):
				for _, g := range s.of(m.Room) {
					g.wake(m.Room)
				}
			case s.forsaken(m):
				over = append(over, m)
			}
		}
		if len(over) > 0 && cursors.Unmark(ctx, over...) != nil {
			return false
		}
		if len(page) < markPage {
			return true
		}
		after = page[len(page)-1]
	}
}

// remark has the marks of all open rooms set again soon, because some may be gone.
func (s *consumers) remark() {
	if s != nil {
		s.unmarked.Store(true)
	}
}

// orphaned reports whether no instance that lives has the room of a mark open on account of it.
func (s *consumers) orphaned(m Mark) bool {
	h := s.hub
	if m.Instance == h.cfg.Instance {
		return h.peek(m.Room) == nil
	}
	h.mu.Lock()
	_, alive := h.seen[m.Instance]
	h.mu.Unlock()
	told := h.cfg.Bus.Health().Backend != backendMemory // instances hear of each other
	return !alive && (told && time.Since(m.At) > h.cfg.PresenceTTL || time.Since(m.At) > markStale)
}

// forsaken reports whether the instance of an orphaned mark cannot write to the room on account of it. Another one
// that was not heard of may live all the same, and does when this one has just started: only that it did not set
// its mark again tells.
func (s *consumers) forsaken(m Mark) bool {
	return m.Instance == s.hub.cfg.Instance || time.Since(m.At) > markStale
}

// consumed reports whether all groups have come to the end of a room. One that no group here follows may have some
// on other instances.
func (s *consumers) consumed(room string) bool {
	ctx, cfg, groups := s.hub.ctx, &s.hub.cfg, s.of(room)
	if len(groups) == 0 {
		return false
	}
	page, err := cfg.Log.Read(ctx, room, Query{Unchecked: true})
	switch ErrorCode(err) {
	case "", CodeTrimmed:
	case CodeRoomDeleted:
		return true
	default:
		return false
	}
	for _, g := range groups {
		at, err := cfg.Cursors.Cursor(ctx, g.Group, room)
		if err != nil || at != page.Head {
			return false
		}
	}
	return true
}
