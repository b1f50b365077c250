package conformance

import (
	"runtime"
	"sync"
	"testing"
)

// subscription is one subscription to a bus or a log, and what both kinds have in common.
type subscription struct {
	t    testing.TB
	stop func()

	mu   sync.Mutex
	gaps int
}

// stand subscribes, and returns when the subscription stands.
func (s *subscription) stand(t testing.TB, subscribe func() (stop func())) {
	t.Helper()
	s.t = t
	s.stop = subscribe()
	t.Cleanup(s.stop)
	s.hasGaps(1)
}

// takeLocked counts a delivery, with a gap or without.
func (s *subscription) takeLocked(gap bool) {
	if gap {
		s.gaps++
	}
	if s.gaps == 0 {
		s.t.Errorf("something was told before the first gap")
	}
}

// hasGaps waits until so many gaps were told.
func (s *subscription) hasGaps(n int) {
	s.t.Helper()
	eventually(s.t, "a gap is told", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.gaps >= n
	})
}

// wantStopWaits checks that the stop function of a subscription waits for a call that is under way.
func wantStopWaits(t testing.TB, subscribe func(f func()) (stop func())) {
	t.Helper()
	finished := false
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	stop := subscribe(func() {
		once.Do(func() {
			close(entered)
			<-leave
			finished = true
		})
	})
	await(t, "the subscriber is called", entered)
	go func() { // ends at once
		for range 100 {
			runtime.Gosched()
		}
		close(leave)
	}()
	stop()
	want(t, "the call had finished when stop returned", finished, true)
}
