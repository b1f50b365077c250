package redisx

import (
	"log/slog"
	"runtime/debug"
	"sync"
)

// notice is what a feed tells: a message on a channel, or that some may have been missed.
type notice struct {
	payload string
	gap     bool
}

// subscriber is one subscription to a channel.
type subscriber struct {
	tell   func(notice)
	logger *slog.Logger

	// mu is held while tell runs: that is what keeps calls apart, and makes stop wait for the one under
	// way. The contracts of Subscribe and Follow say so: tell must not block, nor call stop.
	mu      sync.Mutex
	stands  bool // the first gap was told
	stopped bool
}

// give hands a notice on. What comes before the subscription stands is covered by the gap that says
// that it does.
func (s *subscriber) give(n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || (!s.stands && !n.gap) {
		return
	}
	s.stands = true
	defer s.recovered()
	s.tell(n)
}

// recovered logs a panic over a message in place of the end of the process. It is to be deferred.
func (s *subscriber) recovered() {
	if p := recover(); p != nil {
		s.logger.Error("panic over a message of redis", "panic", p, "stack", string(debug.Stack()))
	}
}

// standing tells a subscriber that does not know yet that its subscription stands.
func (s *subscriber) standing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped && !s.stands {
		s.stands = true
		defer s.recovered()
		s.tell(notice{gap: true})
	}
}

func (s *subscriber) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}
