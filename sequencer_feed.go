package flow

import "slices"

// What waits for its turn in the feed is bounded. The rest is read from the log.
const (
	heldOps   = 1024
	heldBytes = 4 << 20
)

// feed takes entries of the log, from whatever source, in any order, repeated or not.
func (s *sequencer) feed(ops []Operation) (fx effects) {
	for _, op := range ops {
		s.take(op, &fx)
	}
	return fx
}

// takeAnswer delivers an operation of the batch under way. As long as nothing came between, the log has
// compared what it follows: a link is worth as much as a delivery, and is not computed again.
func (s *sequencer) takeAnswer(op Operation, fx *effects) {
	linked := s.head == s.fence && op.Seq == s.head.Seq+1
	s.fence = op.Position()
	if !linked || len(s.held) > 0 || len(s.unseen) > 0 {
		s.take(op, fx)
		return
	}
	s.ahead = max(s.ahead, op.Seq)
	s.deliver(op, fx)
	fx.read = s.lacks()
}

// deliver puts an operation at the end of what was delivered.
func (s *sequencer) deliver(op Operation, fx *effects) {
	s.head = op.Position()
	s.learn(op.Session, op.N)
	s.delivered(op)
	fx.confirmed = append(fx.confirmed, op)
}

// take delivers an entry whose turn it is, and those that waited for it.
func (s *sequencer) take(op Operation, fx *effects) {
	if op.Seq <= s.head.Seq {
		return
	}
	s.ahead = max(s.ahead, op.Seq)
	if op.Seq > s.head.Seq+1 {
		if _, known := s.held[op.Seq]; !known && len(s.held) < heldOps && s.heldBytes < heldBytes {
			s.held[op.Seq] = op
			s.heldBytes += len(op.Data)
		}
		fx.read = true
		return
	}
	for ok := true; ok; op, ok = s.held[s.head.Seq+1] {
		if waited, known := s.held[op.Seq]; known {
			delete(s.held, op.Seq)
			s.heldBytes -= len(waited.Data)
		}
		if !op.Follows(s.head) { // of another history: the log will tell which one holds
			break
		}
		s.deliver(op, fx)
	}
	for i := range s.unseen { // its place was taken by another one
		fx.doubt = fx.doubt || s.unseen[i].op.Seq <= s.head.Seq
	}
	fx.read = s.lacks()
}

// delivered notes that an operation that the log has confirmed, or may have, is in the stream.
func (s *sequencer) delivered(op Operation) {
	for i := range s.flight {
		if sub := &s.flight[i]; sub.op.N == op.N && sub.op.Session == op.Session {
			sub.seen = true
		}
	}
	if len(s.unseen) > 0 {
		s.unseen = slices.DeleteFunc(s.unseen, func(sub submission) bool {
			return sub.op.N == op.N && sub.op.Session == op.Session
		})
	}
}

// hasSeen reports whether an operation was delivered here, as far as its author is known.
func (s *sequencer) hasSeen(op Operation) bool {
	a := s.authors[op.Session]
	return a != nil && op.N <= a.seen
}

// lacks reports whether entries were heard of that were not delivered.
func (s *sequencer) lacks() bool { return s.ahead > s.head.Seq }

// reached notes where the log was found to end. What is held was heard of since.
func (s *sequencer) reached(head uint64) {
	if len(s.held) == 0 {
		s.ahead = head
	}
}

// learn notes that n of a session was delivered. It is at least that far; a guess may still be wrong.
func (s *sequencer) learn(session string, n uint64) {
	if a := s.authors[session]; a != nil {
		a.seen = max(a.seen, n)
		a.last = max(a.last, n)
		a.tail = max(a.tail, a.last)
	}
}

// restart puts the head to where the log is read from anew. Nothing before it is delivered again, and
// what the log has of each author is an open question.
func (s *sequencer) restart(head Position) {
	s.head, s.ahead = head, head.Seq
	s.era++
	clear(s.held)
	s.heldBytes = 0
	for _, a := range s.authors {
		a.known, a.seen = false, 0 // what it was told at which position is judged by that
	}
}
