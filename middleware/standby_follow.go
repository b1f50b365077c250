package middleware

import (
	"sync"

	"github.com/fiberflow/flow"
)

// standbyFollower is one subscription to a room that lives in memory.
type standbyFollower struct {
	room string
	f    func(flow.Feed)

	// mu is held while a subscription ends and the next begins, which waits for f, so that neither
	// overlaps with a stop. f must not wait for a stop anyway.
	mu    sync.Mutex
	ended bool
	stop  func()
}

// Follow implements [flow.Log].
func (s *standby) Follow(room string, f func(flow.Feed)) (stop func()) {
	w := &standbyFollower{room: room, f: f}
	// Before the room knows of it: a move that comes now waits until it follows what it moves from.
	w.mu.Lock()
	defer w.mu.Unlock()
	s.mu.Lock()
	r := s.roomLocked(room)
	if r != nil {
		r.followers[w] = struct{}{}
	}
	s.mu.Unlock()
	if r == nil {
		return s.primary.Follow(room, f)
	}
	w.stop = s.memory.Follow(room, f)
	return func() {
		w.end()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(r.followers, w)
	}
}

// moveTo goes on with another log. The first feed from there is a gap, so nothing is missed.
func (w *standbyFollower) moveTo(l flow.Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.stop()
	w.stop = l.Follow(w.room, w.f)
}

func (w *standbyFollower) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		w.stop()
	}
}
