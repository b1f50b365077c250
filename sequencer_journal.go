package flow

import (
	"slices"
	"sync/atomic"
	"time"
)

// The bounds of what waits for logs: of a room, and of all rooms of an instance (consistency.md
// section 3).
const (
	journalRoom  = 2000
	journalOps   = 10_000
	journalBytes = 32 << 20
)

// awayRetry is when to try again what an instance refuses because the log is away.
const awayRetry = time.Second

const awayMessage = "the log is away, try again"

// budget counts what waits for the logs of all rooms of an instance.
type budget struct{ ops, bytes atomic.Int64 }

func (b *budget) take(sub *submission) {
	if !sub.kept { // those have their place in the ring's bounds
		b.ops.Add(1)
		b.bytes.Add(int64(len(sub.op.Data)))
	}
}

func (b *budget) release(sub *submission) {
	if !sub.kept {
		b.ops.Add(-1)
		b.bytes.Add(-int64(len(sub.op.Data)))
	}
}

// group is what one Submit adds: operations of a session of their own that go together.
type group struct {
	key     string
	content Digest
	told    bool          // the outcome was told
	done    chan struct{} // the shell's: closed when it was

	answers []Appended
	err     error
	queued  bool // in memory only; nothing more is told
}

func (g *group) answer(answers []Appended, err error, fx *effects) {
	if !g.told {
		g.told, g.answers, g.err = true, answers, err
		fx.groups = append(fx.groups, g)
	}
}

// full reports whether so many more operations do not fit.
func (s *sequencer) full(ops, bytes int) bool {
	return len(s.queue)+len(s.flight)+ops > journalRoom ||
		s.budget.ops.Load()+int64(ops) > journalOps || s.budget.bytes.Load()+int64(bytes) > journalBytes
}

func (s *sequencer) enqueue(sub submission) {
	s.budget.take(&sub)
	s.queue = append(s.queue, sub)
}

// submitGroup takes the operations of one Submit. Its outcome comes with the effects of a later input,
// or of this one.
func (s *sequencer) submitGroup(g *group, ops []Operation, since time.Time) (fx effects) {
	bytes := 0
	for i := range ops {
		bytes += len(ops[i].Data)
	}
	switch before := s.groupOf(g.key); {
	case s.suspended && s.mode == OutageReject:
		g.answer(nil, &Error{Code: CodeUnavailable, Message: awayMessage, RetryAfter: awayRetry}, &fx)
	case s.suspended && before != nil && before.content != g.content:
		g.answer(nil, Errorf(CodeRejected, "the idempotency key was used with other content"), &fx)
	case s.suspended && before != nil:
		g.queued = true
		g.answer(nil, nil, &fx)
	case s.full(len(ops), bytes):
		g.answer(nil, &Error{Code: CodeQueueFull, Message: "too many operations wait", RetryAfter: awayRetry}, &fx)
	default:
		for i := range ops {
			s.enqueue(submission{op: ops[i], since: since, group: g})
		}
		s.tell(len(s.queue)-len(ops), &fx)
	}
	return fx
}

// groupOf returns the group with a key that waits here.
func (s *sequencer) groupOf(key string) *group {
	for i := range s.queue {
		if g := s.queue[i].group; key != "" && g != nil && g.key == key {
			return g
		}
	}
	return nil
}

// tell asks for a batch to be sent; while suspended it tells the authors of what waits, from an index of
// the queue on, that it does, and shows it to the others.
func (s *sequencer) tell(from int, fx *effects) {
	if !s.suspended {
		fx.commit = len(s.flight) == 0
		return
	}
	for i := from; i < len(s.queue); i++ {
		sub := &s.queue[i]
		if sub.shown || sub.kept || s.hasSeen(sub.op) {
			continue
		}
		sub.shown = true
		if s.mode == OutageRelay {
			fx.tentative = append(fx.tentative, sub.op)
		}
		switch {
		case sub.group != nil:
			sub.group.queued = true
			sub.group.answer(nil, nil, fx)
		case !sub.late:
			fx.waits(sub.op)
		}
	}
}

// waits tells an author of an operation and of those before it.
func (fx *effects) waits(op Operation) {
	if last := len(fx.queued) - 1; last >= 0 && fx.queued[last].session == op.Session {
		fx.queued[last].n = op.N
		return
	}
	fx.queued = append(fx.queued, waiting{op.Session, op.N})
}

// suspend stops the handing out of batches, because the log is away or does not match. What comes from
// now on waits in the queue, which is the journal.
func (s *sequencer) suspend() (fx effects) {
	s.suspended = true
	if len(s.unseen) > 0 { // the log may have lost it again; if not, it says so
		for i := range s.unseen {
			s.budget.take(&s.unseen[i])
		}
		s.queue = slices.Concat(s.unseen, s.queue)
		s.unseen = nil
		s.retailAll()
	}
	if s.mode == OutageReject {
		s.refuse(&Error{Code: CodeUnavailable, Message: awayMessage, RetryAfter: awayRetry}, &fx)
		return fx
	}
	s.tell(0, &fx)
	return fx
}

// returned takes the batch in flight back to the front of the queue. Whether the log has it is unknown.
func (s *sequencer) returned() {
	kept := s.flight[:0]
	for _, sub := range s.flight {
		if sub.seen && sub.group == nil { // the feed was faster than the answer
			s.budget.release(&sub)
			s.learn(sub.op.Session, sub.op.N) // its author may have come since
			continue
		}
		sub.again = true
		kept = append(kept, sub)
	}
	s.queue = slices.Concat(kept, s.queue)
	s.flight = nil
	s.retailAll()
}

// overdue tells the authors of what was received before a time, and has no place yet, that it waits: the log
// is slow, and nobody shall wait for a word longer than consistency.md's I8 allows.
func (s *sequencer) overdue(before time.Time) (fx effects) {
	for _, list := range [...][]submission{s.flight, s.queue} {
		for i := range list {
			sub := &list[i]
			if sub.kept {
				continue
			}
			if !sub.since.Before(before) {
				return fx
			}
			if !sub.late && !sub.shown && sub.group == nil {
				sub.late = true
				fx.waits(sub.op)
			}
		}
	}
	return fx
}

// resume lets what waits go to the log, in order.
func (s *sequencer) resume() (fx effects) {
	s.suspended = false
	s.backlog = len(s.queue)
	fx.commit = len(s.queue) > 0
	return fx
}

// calm reports whether nothing is left of a suspension.
func (s *sequencer) calm() bool { return !s.suspended && s.backlog == 0 && len(s.stranded) == 0 }

// rewind goes back to a position, because the log has another history behind it. ops are those that were
// delivered behind it: the log gets them again, before what waits. What it has of them it tells.
func (s *sequencer) rewind(to Position, ops []Operation) {
	s.restart(to)
	kept := make([]submission, len(ops), len(ops)+len(s.queue))
	for i := range ops {
		kept[i] = submission{op: ops[i], again: true, kept: true}
	}
	s.queue = append(kept, s.queue...)
	s.retailAll()
}

// unstrand tries again to append what was confirmed once; at last without what its session did before.
func (s *sequencer) unstrand(jump bool) (fx effects) {
	for i := range s.stranded {
		s.stranded[i].jump = jump
	}
	s.queue = slices.Concat(s.stranded, s.queue)
	s.backlog += len(s.stranded)
	s.stranded = nil
	fx.commit = !s.suspended && len(s.flight) == 0
	return fx
}

// drop refuses everything that waits, because the room is no more. What is in flight gets its own answer.
func (s *sequencer) drop(err error) (fx effects) {
	s.queue = slices.Concat(s.stranded, s.queue)
	s.stranded = nil
	s.refuse(err, &fx)
	return fx
}

// refused takes the refusal of the batch in flight, as a whole and for good.
func (s *sequencer) refused(err error) (fx effects) {
	waiting := s.queue
	s.queue, s.flight = s.flight, nil
	s.refuse(err, &fx)
	s.queue = waiting
	s.retailAll()
	fx.commit = len(s.queue) > 0
	return fx
}

// refuse gives everything that waits back to its authors, but for what was confirmed once.
func (s *sequencer) refuse(err error, fx *effects) {
	queue := s.queue
	s.queue = nil
	for i := range queue {
		sub := queue[i]
		switch {
		case sub.kept && ErrorCode(err) == CodeUnavailable:
			s.queue = append(s.queue, sub)
			continue
		case sub.group != nil:
			sub.group.answer(nil, err, fx)
		case !sub.kept:
			n := nack{sub.op.Session, sub.op.N, ErrorCode(err), ErrorMessage(err), 0, ErrorRetryAfter(err)}
			if a := s.authors[sub.op.Session]; a != nil {
				n.last = min(a.sure(), sub.op.N-1)
			}
			fx.nacks = append(fx.nacks, n)
		}
		s.budget.release(&sub)
	}
	s.backlog = min(s.backlog, len(s.queue))
	s.retailAll()
}

// retailAll brings what is known of all authors in line with what of them is on its way.
func (s *sequencer) retailAll() {
	ways := map[string]way{}
	for _, list := range [...][]submission{s.flight, s.queue} {
		for i := range list {
			op := &list[i].op
			ways[op.Session] = ways[op.Session].with(op.N)
		}
	}
	for session, a := range s.authors {
		a.retail(ways[session])
	}
}

// way is what of one author is on its way: the first n and the highest.
type way struct{ first, last uint64 }

func (w way) with(n uint64) way { return way{or(w.first, n), max(w.last, n)} }

// retail brings what is known of an author in line with what of it is on its way.
func (s *sequencer) retail(session string, a *author) {
	var w way
	for _, list := range [...][]submission{s.flight, s.queue} {
		for i := range list {
			if op := &list[i].op; op.Session == session {
				w = w.with(op.N)
			}
		}
	}
	a.retail(w)
}

func (a *author) retail(w way) {
	switch {
	case w.first == 0:
		a.tail = a.last
	case a.known:
		a.first, a.tail = 0, max(a.last, w.last)
		if w.first > a.last+1 { // what is between is not on its way
			a.first = w.first
		}
	default:
		a.first, a.last, a.tail = w.first, w.first-1, w.last
	}
}

// vouch returns what the log at head is known to have of the sessions that submit here. passed says
// whether the room has been at a position.
func (s *sequencer) vouch(passed func(Position) bool) map[string]uint64 {
	sessions := make(map[string]uint64, len(s.authors))
	for session, a := range s.authors {
		n := a.seen
		if passed(a.toldAt) {
			n = max(n, a.told)
		}
		if n > 0 {
			sessions[session] = n
		}
	}
	return sessions
}
