package middleware

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

// standby is the [flow.Log] of a process that started while Redis was away. Until [standby.promote] is
// called, every room is served from memory. After it, rooms that were not used before are on the
// primary log, and those that were are carried over, one by one, at the same positions. A room that
// cannot be carried over, because the primary has another log for it, stays in memory.
type standby struct {
	primary flow.Log
	memory  flow.Log
	log     *slog.Logger
	started time.Time

	mu      sync.Mutex
	arrived time.Time               // when the primary was first reached; zero: not yet
	rooms   map[string]*standbyRoom // those that live in memory
}

// standbyRoom is what has to be known to carry a room over. Its fields are under the standby's lock.
type standbyRoom struct {
	writers   int           // calls that are writing to memory
	idle      chan struct{} // closed when writers is 0, for the one who moves the room
	moving    chan struct{} // while it is set, writers wait until it is closed
	kept      bool          // it stays in memory for good
	followers map[*standbyFollower]struct{}
	batches   map[uint64]keyedBatch // batches with a key, by the seq of their first operation
}

// keyedBatch is carried over as it was written, so that its key goes on to make it idempotent.
type keyedBatch struct {
	key  string
	size int
}

var _ flow.Log = (*standby)(nil)

func newStandby(primary, memory flow.Log, log *slog.Logger) *standby {
	return &standby{
		primary: primary, memory: memory, log: log, started: time.Now(), rooms: map[string]*standbyRoom{},
	}
}

// Append implements [flow.Log].
func (s *standby) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	l, r, err := s.enter(ctx, room)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return l.Append(ctx, room, b)
	}
	defer s.leave(r)
	answers, err := l.Append(ctx, room, b)
	if err == nil && b.Key != "" {
		s.remember(r, b.Key, answers)
	}
	return answers, err
}

// Read implements [flow.Log].
func (s *standby) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	return s.serving(room).Read(ctx, room, q)
}

// Snapshot implements [flow.Log].
func (s *standby) Snapshot(ctx context.Context, room string) (flow.Snapshot, error) {
	return s.serving(room).Snapshot(ctx, room)
}

// SaveSnapshot implements [flow.Log].
func (s *standby) SaveSnapshot(ctx context.Context, room string, snapshot flow.Snapshot) error {
	l, r, err := s.enter(ctx, room)
	if err != nil {
		return err
	}
	if r != nil {
		defer s.leave(r)
	}
	return l.SaveSnapshot(ctx, room, snapshot)
}

// Delete implements [flow.Log].
func (s *standby) Delete(ctx context.Context, room string) error {
	l, r, err := s.enter(ctx, room)
	if err != nil {
		return err
	}
	if r != nil {
		defer s.leave(r)
	}
	return l.Delete(ctx, room)
}

// Health implements [flow.Log]. It is not live while any room is served from memory.
func (s *standby) Health() flow.Health {
	h := s.primary.Health()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.arrived.IsZero():
		h.State, h.Since, h.Serving = flow.Degraded, s.started, "memory"
	case len(s.rooms) > 0 && h.State == flow.Live:
		h.State, h.Since, h.Serving = flow.Recovering, s.arrived, "memory"
	}
	return h
}

// serving returns the log to read the room from. A reader may go on with memory while the room moves:
// what it sees is where the room was a moment ago.
func (s *standby) serving(room string) flow.Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[room] == nil && !s.arrived.IsZero() {
		return s.primary
	}
	return s.memory
}

// enter returns the log to write the room to. With a room, that is memory, and leave must be called
// after the write.
func (s *standby) enter(ctx context.Context, room string) (flow.Log, *standbyRoom, error) {
	for {
		s.mu.Lock()
		r := s.roomLocked(room)
		if r == nil {
			s.mu.Unlock()
			return s.primary, nil, nil
		}
		moving := r.moving
		if moving == nil {
			r.writers++
			s.mu.Unlock()
			return s.memory, r, nil
		}
		s.mu.Unlock()
		select {
		case <-moving: // not for long: the primary answers within its own timeout
		case <-ctx.Done():
			return nil, nil, flow.Unavailable(ctx.Err())
		}
	}
}

func (s *standby) leave(r *standbyRoom) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.writers--
	if r.writers == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// roomLocked returns the room that lives, or from now on lives, in memory; nil when it does not.
func (s *standby) roomLocked(room string) *standbyRoom {
	r := s.rooms[room]
	if r == nil && s.arrived.IsZero() {
		r = &standbyRoom{followers: map[*standbyFollower]struct{}{}, batches: map[uint64]keyedBatch{}}
		s.rooms[room] = r
	}
	return r
}

// remember notes a batch that was written as a whole. One that was not is no use to a retry.
func (s *standby) remember(r *standbyRoom, key string, answers []flow.Appended) {
	for _, a := range answers {
		if a.Status != flow.Confirmed {
			return
		}
	}
	if len(answers) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.batches[answers[0].Seq] = keyedBatch{key: key, size: len(answers)}
}
