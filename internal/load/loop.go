//go:build linux

package load

import (
	"fmt"
	"syscall"
	"time"
)

// Loop moves the bytes of any number of sockets, on the one goroutine that calls it: no message costs
// an allocation, a lock or a switch of threads, so that a server on one core can be loaded from another.
type Loop struct {
	poll    *poll
	began   time.Time
	now     time.Duration
	buf     []byte    // what was read from any socket
	sockets []*socket // by file descriptor
	dirty   []*socket // that have something to write

	received int64 // bytes

	faults int
	first  error
}

// NewLoop returns a loop without sockets. It must be ended with Close.
func NewLoop() (*Loop, error) {
	p, err := newPoll()
	if err != nil {
		return nil, err
	}
	return &Loop{poll: p, began: time.Now(), buf: make([]byte, 256<<10)}, nil
}

// Now is the time since the loop began, as of the last read; Look brings it up to date.
func (l *Loop) Now() time.Duration { return l.now }

// Look reads the clock.
func (l *Loop) Look() time.Duration {
	l.now = time.Since(l.began)
	return l.now
}

// Turn writes what there is to write, waits until something comes, at most until a moment, and takes it.
func (l *Loop) Turn(until time.Duration) error {
	l.flush()
	events, err := l.poll.wait(until - l.Look())
	if err != nil {
		return err
	}
	l.Look()
	for _, event := range events {
		if s := l.sockets[event.Fd]; s != nil {
			s.ready(event.Events)
		}
	}
	l.flush()
	return l.Err()
}

// Until turns until ok, or fails when that takes too long.
func (l *Loop) Until(what string, limit time.Duration, ok func() bool) error {
	end := l.Look() + limit
	for !ok() {
		if l.Look() > end {
			return fmt.Errorf("load: waiting for %s took longer than %v", what, limit)
		}
		if err := l.Turn(min(end, l.now+pollEvery)); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all connections, without a word. It may be called twice.
func (l *Loop) Close() {
	if l.poll == nil {
		return
	}
	for _, s := range l.sockets {
		if s != nil {
			s.close()
		}
	}
	l.poll.close()
	l.poll = nil
}

// Err returns what went wrong so far, nil when nothing did.
func (l *Loop) Err() error {
	if l.first == nil {
		return nil
	}
	return fmt.Errorf("load: %d faults, the first: %w", l.faults, l.first)
}

// fault notes that something was not as it should be. The first one is kept.
func (l *Loop) fault(format string, args ...any) {
	l.faults++
	if l.first == nil {
		l.first = fmt.Errorf(format, args...)
	}
}

func (l *Loop) flush() {
	for _, s := range l.dirty {
		s.dirty = false
		s.flush()
	}
	l.dirty = l.dirty[:0]
}

// add watches a new socket.
func (l *Loop) add(s *socket) error {
	for len(l.sockets) <= s.fd {
		l.sockets = append(l.sockets, nil)
	}
	l.sockets[s.fd] = s
	return l.poll.watch(s.fd, syscall.EPOLLIN|syscall.EPOLLOUT, true)
}
