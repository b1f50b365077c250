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

// doubtMost is how many sessions are remembered that have ended after the store was away.
const doubtMost = 100_000

// recent remembers sessions that have ended a while ago. Its lock is taken last.
type recent struct {
	keep time.Duration
	most int

	mu sync.Mutex
	at map[string]time.Time
}

func (r *recent) add(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.at == nil || len(r.at) >= r.most {
		r.at = map[string]time.Time{}
	}
	for other, at := range r.at {
		if now.Sub(at) <= r.keep {
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
	return ok && time.Since(at) <= r.keep
}
