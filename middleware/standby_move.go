package middleware

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

// chunk is how many operations one append carries over.
const chunk = 32

// errOther is why a room stays in memory when the primary has a log of its own for it.
var errOther = errors.New("the primary has another log for this room")

// promote tells that the primary serves, and carries every room over that lives in memory. It is called
// by one goroutine at a time, and again until it returns nil: then nothing is left to carry over.
func (s *standby) promote(ctx context.Context) error {
	s.mu.Lock()
	if s.arrived.IsZero() {
		s.arrived = time.Now()
	}
	rooms := maps.Clone(s.rooms)
	s.mu.Unlock()
	var left error
	for _, id := range slices.Sorted(maps.Keys(rooms)) {
		if rooms[id].kept {
			continue
		}
		err := s.move(ctx, id, rooms[id])
		if retry := flow.ErrorCode(err) == flow.CodeUnavailable || errors.Is(err, flow.ErrMoved); retry {
			left = errors.Join(left, fmt.Errorf("room %s: %w", id, err))
			continue
		}
		if err != nil {
			s.keep(id, rooms[id], err)
		}
	}
	return left
}

// keep leaves a room in memory for good.
func (s *standby) keep(id string, r *standbyRoom, why error) {
	s.mu.Lock()
	r.kept = true
	s.mu.Unlock()
	s.log.Warn("a room stays in memory", "room", id, "reason", why)
}

// move carries one room over. Most of its log is copied while it is in use; only for the rest its
// writers wait.
func (s *standby) move(ctx context.Context, id string, r *standbyRoom) error {
	// A cut between two writes: all that is known of the operations before it has been noted.
	if err := s.hold(ctx, r); err != nil {
		return err
	}
	mine, err := facts(ctx, s.memory, id)
	s.letGo(id, r, false)
	if err == nil {
		err = s.copy(ctx, id, r, mine.Head)
	}
	if err != nil && flow.ErrorCode(err) != flow.CodeRoomDeleted {
		return err
	}
	if err := s.hold(ctx, r); err != nil {
		return err
	}
	err = s.finish(ctx, id, r)
	for _, w := range s.letGo(id, r, err == nil) {
		w.moveTo(s.primary)
	}
	return err
}

// finish copies the rest of a room that is held. If it was deleted on either side, it is on both.
func (s *standby) finish(ctx context.Context, id string, r *standbyRoom) error {
	mine, err := facts(ctx, s.memory, id)
	if flow.ErrorCode(err) == flow.CodeRoomDeleted {
		return ignore(s.primary.Delete(ctx, id), flow.CodeRoomDeleted)
	}
	if err != nil {
		return err
	}
	err = s.copy(ctx, id, r, mine.Head)
	if flow.ErrorCode(err) == flow.CodeRoomDeleted {
		return s.memory.Delete(ctx, id)
	}
	if err != nil || mine.Snapshot == (flow.Position{}) {
		return err
	}
	snapshot, err := s.memory.Snapshot(ctx, id)
	if err != nil {
		return err
	}
	return s.primary.SaveSnapshot(ctx, id, snapshot)
}

// hold returns when nobody is writing to the room, and nobody will until letGo.
func (s *standby) hold(ctx context.Context, r *standbyRoom) error {
	s.mu.Lock()
	r.moving = make(chan struct{})
	idle := make(chan struct{})
	if r.writers == 0 {
		close(idle)
	} else {
		r.idle = idle
	}
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		s.letGo("", r, false)
		return flow.Unavailable(ctx.Err())
	}
}

// letGo has the writers go on: on the primary when the room has moved, with the followers that are
// still to be moved.
func (s *standby) letGo(id string, r *standbyRoom, moved bool) []*standbyFollower {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(r.moving)
	r.moving, r.idle = nil, nil
	if !moved {
		return nil
	}
	// What memory holds is left to its TTL: a reader may be in the middle of it.
	delete(s.rooms, id)
	return slices.Collect(maps.Keys(r.followers))
}

// copy brings the primary's log to a position of the one in memory.
func (s *standby) copy(ctx context.Context, id string, r *standbyRoom, end flow.Position) error {
	if end.Seq == 0 {
		return nil // whatever the primary has, memory has nothing to add to it
	}
	theirs, err := facts(ctx, s.primary, id)
	if err != nil {
		return err
	}
	if theirs.Head.Seq > end.Seq {
		_, err = s.primary.Read(ctx, id, flow.Query{After: end})
		return other(err)
	}
	if _, err = s.memory.Read(ctx, id, flow.Query{After: theirs.Head}); err != nil {
		return other(err)
	}
	for at := theirs.Head; at.Seq < end.Seq; {
		if at, err = s.copyChunk(ctx, id, r, at, int(end.Seq-at.Seq)); err != nil {
			return err
		}
	}
	return nil
}

// copyChunk appends at most so many of the operations after a position, and returns the position after
// them.
func (s *standby) copyChunk(
	ctx context.Context, id string, r *standbyRoom, at flow.Position, most int,
) (flow.Position, error) {
	key, size := s.chunkAt(r, at.Seq+1, most)
	page, err := s.memory.Read(ctx, id, flow.Query{After: at, Limit: size})
	if err != nil {
		return at, other(err)
	}
	if len(page.Operations) != size {
		return at, fmt.Errorf("memory has %d operations after %v, expected %d", len(page.Operations), at, size)
	}
	b := flow.Batch{Fence: at, Exact: true, Key: key, Operations: page.Operations}
	answers, err := s.primary.Append(ctx, id, b)
	if err != nil {
		return at, err
	}
	for i, a := range answers {
		if at = page.Operations[i].Position(); at != (flow.Position{Seq: a.Seq, Hash: a.Hash}) {
			return at, fmt.Errorf("the primary put operation %v elsewhere", at)
		}
	}
	return at, nil
}

// chunkAt returns how many of the operations from seq on go into one append, at most so many, and its
// key: a batch that was written with a key goes alone and as a whole.
func (s *standby) chunkAt(r *standbyRoom, seq uint64, most int) (key string, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := r.batches[seq]; ok {
		return b.key, b.size
	}
	most = min(most, chunk)
	for size = 1; size < most; size++ {
		if _, ok := r.batches[seq+uint64(size)]; ok {
			break
		}
	}
	return "", size
}

// facts reads a page without operations: where the log stands.
func facts(ctx context.Context, l flow.Log, id string) (flow.Page, error) {
	page, err := l.Read(ctx, id, flow.Query{Unchecked: true})
	return page, ignore(err, flow.CodeTrimmed) // which is about operations
}

// other turns a position that a log does not know into what that means here.
func other(err error) error {
	switch flow.ErrorCode(err) {
	case flow.CodeDiverged:
		return errOther
	case flow.CodeTrimmed:
		return errors.New("the beginning that would have to be carried over is trimmed")
	default:
		return err
	}
}

func ignore(err error, code flow.Code) error {
	if flow.ErrorCode(err) == code {
		return nil
	}
	return err
}
