package flow

import (
	"errors"
	"slices"
	"time"
)

// The bounds of one batch (consistency.md section 2).
const (
	batchOps   = 32
	batchBytes = 64 << 10
)

// sequencer puts the operations of one room into the log and the log's feed into order. It is a pure
// state machine: no goroutine, no clock, no I/O; what must be done comes back as effects. One batch is
// in flight at a time, what arrives meanwhile goes together in the next (group commit). While the log
// is away the sequencer is suspended, and the queue is the journal (sequencer_journal.go).
type sequencer struct {
	head    Position             // the end of what was delivered
	authors map[string]*author   // the sessions that may submit here
	queue   []submission         // waiting for the next batch
	flight  []submission         // in the batch under way
	fence   Position             // where the log has put what it answered last of that batch
	held    map[uint64]Operation // feed entries beyond the next seq
	ahead   uint64               // the highest seq that was heard of

	heldBytes int // of held

	mode      Outage
	budget    *budget
	suspended bool         // no batch is handed out
	backlog   int          // entries at the front of the queue that the last suspension has left
	stranded  []submission // confirmed once; the log lacks what their session did before
	unseen    []submission // confirmed by the log's answer, and not delivered yet
	era       int          // counts restarts
}

// author is what the sequencer knows of one session.
type author struct {
	last  uint64 // the highest n known to be in the log
	tail  uint64 // the highest n taken; those above last are queued or in flight
	seen  uint64 // the highest n that was delivered
	first uint64 // what is under way begins here, not at last+1; 0 unless it began with a guess
	known bool   // last comes from the log; else it is a guess, made from what the author sent first

	told   uint64 // last, as the log told it when its head was toldAt
	toldAt Position
}

// submission is an operation on its way to the log.
type submission struct {
	op    Operation
	since time.Time // when it was received, for the latency figures
	group *group    // of a Submit, whose operations stay together; else nil
	again bool      // the log may have it already: it was in flight before
	kept  bool      // it was confirmed before, and comes from the ring
	jump  bool      // what its session did before it is given up
	shown bool      // members know it as tentative
	seen  bool      // it was delivered while it was in flight
	late  bool      // its author knows that it waits
}

// nack says that an operation was not taken.
type nack struct {
	session string
	n       uint64
	code    Code
	message string
	last    uint64
	retry   time.Duration
}

// withLast reports whether the contract has `last` beside this code.
func (n nack) withLast() bool {
	switch n.code {
	case CodeGap, CodeDuplicate, CodeQueueFull, CodeRateLimited, CodeUnavailable:
		return true
	default:
		return false
	}
}

func duplicate(op Operation, last uint64) nack {
	return nack{op.Session, op.N, CodeDuplicate, "this operation is in the log already", last, 0}
}

func gap(op Operation, last uint64) nack {
	return nack{op.Session, op.N, CodeGap, "operations before this one are missing", last, 0}
}

// effects is what the shell must do after an input.
type effects struct {
	confirmed []Operation // to deliver, in order
	nacks     []nack      // to send to their authors
	queued    []waiting   // to tell their authors
	tentative []Operation // to show to the others
	groups    []*group    // whose outcome is known
	commit    bool        // a batch is ready: call nextBatch
	read      bool        // there is a hole before a held entry: read the log after head
	doubt     bool        // the log has another history: compare them
	vouch     bool        // the log has forgotten what it had of a session: tell it
}

// waiting tells a session that all of its operations up to n are in memory only.
type waiting struct {
	session string
	n       uint64
}

func newSequencer(mode Outage, b *budget) *sequencer {
	return &sequencer{
		mode: mode, budget: b, authors: map[string]*author{}, held: map[uint64]Operation{},
	}
}

// admit lets a session submit. last is its last n in the log, whose head was at; known is false when
// the log could not be asked: then the log decides about its first operation.
func (s *sequencer) admit(session string, last uint64, at Position, known bool) {
	a := s.authors[session]
	if a == nil {
		a = &author{last: last, tail: last, known: known}
		s.authors[session] = a
		s.retail(session, a) // what it left behind may still be queued
	}
	if known {
		idle := a.tail == a.last
		a.told, a.toldAt = last, at
		a.prove(last)
		if idle {
			a.tail = a.last
		}
	}
}

// sure returns the highest n that is in the log for certain.
func (a *author) sure() uint64 {
	if a.known {
		return a.last
	}
	return a.seen
}

// prove takes what the log says of the author's last n. It ends a guess, whatever that was.
func (a *author) prove(last uint64) {
	last = max(last, a.seen)
	if a.known {
		last = max(last, a.last)
	}
	a.known, a.last = true, last
	a.tail = max(a.tail, last)
}

// forget ends a session's right to submit. What it has queued goes on.
func (s *sequencer) forget(session string) { delete(s.authors, session) }

// submit takes one operation of an admitted session, at most pending of them unconfirmed.
func (s *sequencer) submit(sub submission, pending int) (fx effects) {
	a := s.authors[sub.op.Session]
	refuse := func(code Code, message string, last uint64, retry time.Duration) effects {
		return effects{nacks: []nack{{sub.op.Session, sub.op.N, code, message, last, retry}}}
	}
	n := sub.op.N
	switch {
	case a == nil:
		return refuse(CodeNotJoined, "join the room first", 0, 0)
	case n <= a.seen:
		return effects{nacks: []nack{duplicate(sub.op, a.sure())}}
	case s.suspended && s.mode == OutageReject:
		return refuse(CodeUnavailable, awayMessage, min(a.sure(), n-1), awayRetry)
	case !a.known && a.tail == a.last: // nothing of it is under way: the log will tell
		a.last, a.tail, a.first = n-1, n-1, n
	case n <= a.last && !a.known, n > a.last && n <= a.tail && n < a.first:
		message := "what the log has of it is not known yet"
		return refuse(CodeUnavailable, message, min(a.sure(), n-1), 250*time.Millisecond)
	case n <= a.last:
		return effects{nacks: []nack{duplicate(sub.op, a.last)}}
	case n <= a.tail: // a resend of what is on its way: its answer comes with the first one
		if s.suspended {
			fx.queued = []waiting{{sub.op.Session, n}}
		}
		return fx
	case n > a.tail+1:
		return effects{nacks: []nack{gap(sub.op, a.tail)}}
	}
	if a.tail-a.last >= uint64(pending) || s.full(1, len(sub.op.Data)) {
		return refuse(CodeQueueFull, "too many unconfirmed operations", a.tail, 250*time.Millisecond)
	}
	if a.known && a.tail == a.last {
		a.first = 0
	}
	a.tail = n
	s.enqueue(sub)
	s.tell(len(s.queue)-1, &fx)
	return fx
}

// nextBatch moves what waits into flight, within the bounds of a batch; ok is false while a batch is
// in flight, nothing waits, or the sequencer is suspended.
func (s *sequencer) nextBatch() (b Batch, ok bool) {
	if s.suspended || len(s.flight) > 0 || len(s.queue) == 0 {
		return b, false
	}
	count := s.batchLen()
	s.flight = append(s.flight[:0], s.queue[:count]...)
	s.queue = s.queue[:copy(s.queue, s.queue[count:])]
	s.backlog = max(0, s.backlog-count)
	s.fence = s.head
	b = Batch{Fence: s.head, Jump: s.flight[0].jump, Operations: make([]Operation, count)}
	if g := s.flight[0].group; g != nil {
		b.Key = g.key
	}
	for i := range b.Operations {
		b.Operations[i] = s.flight[i].op
	}
	return b, true
}

// batchLen returns how many entries of the queue go together. A group goes alone and whole.
func (s *sequencer) batchLen() int {
	first := &s.queue[0]
	count, size := 0, 0
	if first.group != nil {
		for count < len(s.queue) && s.queue[count].group == first.group {
			count++
		}
		return count
	}
	for count < len(s.queue) && count < batchOps {
		sub := &s.queue[count]
		size += len(sub.op.Data)
		if count > 0 && (size > batchBytes || sub.group != nil || sub.jump != first.jump) {
			break
		}
		count++
	}
	return count
}

// appended takes the log's answers for the batch in flight.
func (s *sequencer) appended(answers []Appended) (fx effects) {
	flight := s.flight
	s.flight = s.flight[:0]
	if g := flight[0].group; g != nil {
		g.answer(answers, nil, &fx)
	}
	var forgotten []submission
	for i, answer := range answers {
		sub := &flight[i]
		if s.forgotten(sub, answer) {
			sub.again, fx.vouch = true, true
			forgotten = append(forgotten, *sub)
			continue
		}
		s.budget.release(sub)
		switch answer.Status {
		case Confirmed:
			s.confirmed(sub, answer, &fx)
		case Duplicate:
			s.prove(sub.op.Session, answer.Last)
			if !sub.kept && (!sub.again || !s.hasSeen(sub.op)) { // else it came in the stream
				fx.nacks = append(fx.nacks, duplicate(sub.op, answer.Last))
			}
		case Gap:
			s.gapped(*sub, answer.Last, &fx)
		}
	}
	if len(forgotten) > 0 {
		s.queue = slices.Concat(forgotten, s.queue)
		s.retailAll()
	}
	fx.commit = len(s.queue) > 0
	return fx
}

// forgotten reports whether the log does not know any more how far a session was: it has less of it than
// was delivered here. It can be told again.
func (s *sequencer) forgotten(sub *submission, answer Appended) bool {
	a := s.authors[sub.op.Session]
	return answer.Status == Gap && !sub.kept && a != nil && answer.Last < a.seen
}

// confirmed takes the place of an operation.
func (s *sequencer) confirmed(sub *submission, answer Appended, fx *effects) {
	if sub.group != nil && sub.group.key != "" {
		// It may be the answer of an earlier call, of another time: the feed has the operation as it is.
		s.ahead = max(s.ahead, answer.Seq)
		fx.read = fx.read || s.lacks()
		return
	}
	op := sub.op
	op.Seq, op.Hash = answer.Seq, answer.Hash
	s.prove(op.Session, op.N) // also when it is not delivered: the room has started anew behind it
	before := s.head.Seq
	s.takeAnswer(op, fx)
	if sub.seen || op.Seq > before && op.Seq <= s.head.Seq {
		return
	}
	sub.again, sub.op.Seq, sub.group = true, op.Seq, nil // the outcome of a group was told
	s.unseen = append(s.unseen, *sub)                    // the feed brings it, unless the log loses it before
	fx.doubt = fx.doubt || op.Seq <= s.head.Seq+1
}

// gapped takes back an operation that the log lacks the predecessors of.
func (s *sequencer) gapped(sub submission, last uint64, fx *effects) {
	if sub.kept {
		s.stranded = append(s.stranded, sub)
		s.set(sub.op.Session, last)
		return
	}
	last = s.refuseFrom(sub.op.Session, last, fx)
	fx.nacks = append(fx.nacks, gap(sub.op, last))
}

// mustReconcile reports whether the log refused a batch because it does not match what is known here.
func mustReconcile(err error) bool {
	return errors.Is(err, ErrNoLog) || errors.Is(err, ErrBehind) || errors.Is(err, ErrFork) ||
		errors.Is(err, ErrCorrupt) || errors.Is(err, ErrSettling)
}

// prove notes what the log answered about a session.
func (s *sequencer) prove(session string, last uint64) {
	if a := s.authors[session]; a != nil {
		a.prove(last)
	}
}

// refuseFrom sets a session back to what the log had of it, or to what was delivered since, and refuses
// what it has queued. It returns how far back that is.
func (s *sequencer) refuseFrom(session string, last uint64, fx *effects) uint64 {
	if a := s.authors[session]; a != nil {
		last = max(last, a.seen)
	}
	queue := s.queue
	s.queue = s.queue[:0]
	for i := range queue {
		sub := queue[i]
		if sub.op.Session != session || sub.kept {
			s.queue = append(s.queue, sub)
			continue
		}
		s.budget.release(&sub)
		fx.nacks = append(fx.nacks, gap(sub.op, last))
	}
	clear(queue[len(s.queue):])
	s.backlog = min(s.backlog, len(s.queue))
	s.set(session, last)
	return last
}

// set notes the last n of a session that the log told, whatever was known or guessed of it.
func (s *sequencer) set(session string, last uint64) {
	if a := s.authors[session]; a != nil {
		a.known, a.last = true, max(last, a.seen)
		s.retail(session, a)
	}
}

// busy reports whether operations wait or are in flight.
func (s *sequencer) busy() bool { return len(s.flight)+len(s.queue)+len(s.stranded) > 0 }
