package outage_test

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// lagEvery is how often the machine is asked whether it keeps up.
const lagEvery = 10 * time.Millisecond

// lag is how far the machine is behind: by how much a goroutine is late that wants to run every few milliseconds.
// An answer that came late meanwhile says little about who gave it.
type lag struct {
	mu   sync.Mutex
	due  time.Time  // when it wants to run next; zero when nobody watches
	late []lateness // in the order of time
}

type lateness struct {
	at time.Time
	by time.Duration
}

// watch notes it until the test ends.
func (l *lag) watch(t *testing.T) {
	t.Helper()
	end := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { // ends with the test
		for {
			l.note(time.Now())
			select {
			case <-time.After(lagEvery):
			case <-end:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(end)
		watching.Wait()
	})
}

// note keeps by how much it runs late.
func (l *lag) note(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if by := l.behindLocked(now); by > 0 {
		l.late = append(l.late, lateness{now, by})
	}
	l.due = now.Add(lagEvery)
}

// behindLocked returns by how much it is late that did not run yet, when that is more than clocks are coarse.
func (l *lag) behindLocked(now time.Time) time.Duration {
	if by := now.Sub(l.due); !l.due.IsZero() && by >= lagEvery {
		return by
	}
	return 0
}

// since returns by how much the machine was late since a time.
func (l *lag) since(begin, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.behindLocked(now)
	for _, late := range slices.Backward(l.late) {
		if late.at.Before(begin) {
			break
		}
		sum += late.by
	}
	return sum
}

// What is late counts, also before it ran; what is a matter of clocks does not.
func TestLag(t *testing.T) {
	l, begin := &lag{}, time.Now()
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	l.note(begin)
	l.note(at(time.Second + lagEvery))
	l.note(at(time.Second + 2*lagEvery + lagEvery/2))
	now := at(3*time.Second + 3*lagEvery + lagEvery/2)
	if got := l.since(begin, now); got != 3*time.Second {
		t.Errorf("since the beginning %v, want 3 s", got)
	}
	l.note(now)
	if got := l.since(at(2*time.Second), now); got != 2*time.Second {
		t.Errorf("since the second %v, want 2 s", got)
	}
	if got := (&lag{}).since(begin, now); got != 0 {
		t.Errorf("unwatched %v, want none", got)
	}
}
