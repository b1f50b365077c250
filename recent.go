package flow

import (
	"sync"
	"time"
)

// How long, and how many, sessions that have ended are remembered: others may speak of them a moment longer.
const (
	recentFor  = 10 * time.Second
	recentMost = 10_000
)

// recent remembers sessions that have ended a moment ago. Its lock is taken last.
type recent struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (r *recent) add(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.at == nil || len(r.at) >= recentMost {
		r.at = map[string]time.Time{}
	}
	for other, at := range r.at {
		if now.Sub(at) <= recentFor {
			break // a look at a few is enough: the rest goes in time
		}
		delete(r.at, other)
	}
	r.at[session] = now
}

func (r *recent) has(session string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.at[session]
	return ok && time.Since(at) <= recentFor
}
