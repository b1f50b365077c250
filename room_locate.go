package flow

import (
	"context"
)

// entry is where a member's stream of operations starts, and why.
type entry struct {
	position Position
	head     Position
	resumed  bool
	reason   string // why a given position was not resumed
	last     uint64 // the session's last n in the log
	known    bool   // the log could be asked
	era      int    // of the room, when it was
	snapshot *Snapshot
}

// locate finds where a stream starts: at the position, if it is in the log, else at the newest
// snapshot, else at the first operation kept.
func (r *room) locate(ctx context.Context, session, position string) (entry, error) {
	var at Position
	if position != "" {
		at, _ = ParsePosition(position) // a bad one was refused before; a stream's reads as the start
	}
	before, era, live := r.judge()
	if !live {
		return r.guess(at, position != ""), nil
	}
	page, err := r.look(ctx, session, at)
	if r.hasLost(page, err, before, at) {
		return r.guess(at, position != ""), nil
	}
	e := entry{position: at, head: page.Head, last: page.Last[session], known: true, era: era}
	switch ErrorCode(err) {
	case "":
		e.resumed = position != ""
		if e.resumed {
			return e, nil
		}
	case CodeTrimmed:
		e.reason = "trimmed"
	case CodeDiverged:
		e.reason = "diverged"
	case CodeRoomDeleted:
		return e, err
	default:
		return r.guess(at, position != ""), nil
	}
	return r.fromSnapshot(ctx, e, page, position != "")
}

// judge returns the room's head and era, and whether its log can be asked.
func (r *room) judge() (head Position, era int, live bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq.head, r.seq.era, r.comparedLocked()
}

// hasLost reports whether the log lacks what the room had before it was read: then it cannot judge a
// position, and is to be looked at.
func (r *room) hasLost(page Page, err error, before, at Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var cause error
	switch code := ErrorCode(err); {
	case code == CodeUnavailable || code == CodeRoomDeleted:
		return false
	case code == CodeInternal:
		cause = err
	case page.Head.Seq < before.Seq:
		cause = ErrBehind
	case code == CodeDiverged && r.ring.contains(at):
		cause = ErrFork
	default:
		return false
	}
	r.troubleLocked(cause)
	return true
}

// guess starts a stream while the log cannot be asked: a position cannot be judged, so it is taken as
// good. Without one the stream starts at a state or snapshot that is kept here, or at the beginning, as far
// as the ring reaches back to it.
func (r *room) guess(at Position, given bool) entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.guessLocked(at, given)
}

func (r *room) guessLocked(at Position, given bool) entry {
	head := r.seq.head
	if head.Seq < at.Seq {
		head = at
	}
	e := entry{position: at, head: head, resumed: given, era: r.seq.era}
	if s := r.atHandLocked(Position{}); s != nil && !given && r.ring.contains(s.Position) {
		e.position, e.snapshot = s.Position, s
	}
	return e
}

// atHandLocked returns the newest state or snapshot that is kept here, at or after a position; nil when there is
// none. Both are of the history that the room is in.
func (r *room) atHandLocked(from Position) *Snapshot {
	var best *Snapshot
	if d := &r.document; d.loaded && d.at.Seq > 0 && d.data != nil {
		best = &Snapshot{d.at, d.data}
	}
	if s := r.snapshots.cached; s != nil && (best == nil || s.Position.Seq > best.Position.Seq) {
		best = s
	}
	if best == nil || best.Position.Seq < from.Seq || r.differsLocked(best.Position) {
		return nil
	}
	return best
}

// fromSnapshot starts a stream at a state that is kept here, at the newest snapshot, or at the first operation
// kept.
func (r *room) fromSnapshot(ctx context.Context, e entry, page Page, given bool) (entry, error) {
	if !given {
		e.reason = ""
	}
	r.mu.Lock()
	s := r.atHandLocked(page.Snapshot)
	r.mu.Unlock()
	if s != nil && s.Position.Seq >= page.Base.Seq && s.Position.Seq <= page.Head.Seq {
		e.position, e.snapshot = s.Position, s
		return e, nil
	}
	e.position = page.Base
	if page.Base.Seq > 0 && page.Snapshot.Seq == 0 {
		e.reason = "trimmed" // also for who comes for the first time: what came before is missing
	}
	if page.Snapshot.Seq == 0 {
		return e, nil
	}
	s, err := r.storedSnapshot(ctx, page.Snapshot)
	switch ErrorCode(err) {
	case "":
		e.position, e.snapshot = s.Position, s
		return e, nil
	case CodeNotFound: // it turned out to be damaged
		if page.Base.Seq > 0 {
			e.reason = "trimmed"
		}
		return e, nil
	case CodeUnavailable:
		return r.guess(Position{}, false), nil
	default:
		return e, err
	}
}
