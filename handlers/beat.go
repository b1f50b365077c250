package handlers

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// beat calls a function at intervals, on a timer instead of a goroutine. Its owner starts it and stops
// it, each once.
type beat struct {
	mu    sync.Mutex
	timer *time.Timer // nil before start and after stop
}

// start begins to call f, which must not block. The first interval is shortened by chance, so that
// connections which came together do not beat together.
func (b *beat) start(every time.Duration, logger *slog.Logger, f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = time.AfterFunc(every/2+rand.N(every/2+1), func() {
		defer func() {
			if p := recover(); p != nil { // nobody else would catch it here
				logger.Error("heartbeat panicked", "error", panicError(p))
			}
		}()
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.timer == nil {
			return
		}
		f()
		b.timer.Reset(every)
	})
}

// stop returns when f is not called and will not be called any more.
func (b *beat) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}
