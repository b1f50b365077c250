package flow // internal: the sequencer is not exported

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// groupWords writes the outcome of a group down.
func groupWords(g *group) string {
	switch {
	case g.err != nil:
		return "group:" + string(ErrorCode(g.err))
	case g.queued:
		return "group~"
	}
	words := "group"
	for _, answer := range g.answers {
		words += fmt.Sprintf("+%d", answer.Seq)
	}
	return words
}

// newGroup is a Submit of some operations.
func newGroup(session, key string, count uint64) (*group, []Operation) {
	ops := stream(session, count)
	for i := range ops {
		ops[i].Seq, ops[i].Hash = 0, 0
	}
	return &group{key: key, content: contentOf(ops)}, ops
}

// inMode returns a sequencer of a mode that knows some authors.
func inMode(mode Outage, sessions ...string) *sequencer {
	s := withAuthors(sessions...)
	s.mode = mode
	return s
}

// suspended is a sequencer of a mode with a1 in flight, and a2 and b1 waiting, whose log has gone away.
func suspended(mode Outage) (*sequencer, effects) {
	s := inMode(mode, "a", "b", "c")
	s.submit(send("a", 1), plenty)
	s.nextBatch()
	s.submit(send("a", 2), plenty)
	s.submit(send("b", 1), plenty)
	s.returned()
	return s, s.suspend()
}

// What waits when the log goes away, and what comes then, is the journal: its authors are told queued
// once, others see it, and afterwards it goes to the log in the order in which it came. I8, I14
func TestSequencer_Suspend(t *testing.T) {
	t.Run("relay", func(t *testing.T) {
		s, fx := suspended(OutageRelay)
		want(t, fx, "a2~ b1~ ?a1 ?a2 ?b1")
		want(t, s.suspend(), "")
		want(t, s.submit(send("c", 1), plenty), "c1~ ?c1")
		want(t, s.submit(send("a", 2), plenty), "a2~") // a resend of what waits
		want(t, s.submit(send("a", 4), plenty), "a4!gap:2")
		wantBatch(t, s, "")
		want(t, s.resume(), "commit")
		if s.calm() || !s.busy() {
			t.Error("the journal is not empty yet")
		}
		batch := wantBatch(t, s, "a1 a2 b1 c1")
		want(t, s.appended(allConfirmed(Position{}, batch)), "+a1 +a2 +b1 +c1")
		if !s.calm() || s.busy() {
			t.Error("the journal is empty")
		}
	})

	t.Run("hold", func(t *testing.T) {
		s, fx := suspended(OutageHold)
		want(t, fx, "a2~ b1~")
		want(t, s.submit(send("c", 1), plenty), "c1~")
		want(t, s.resume(), "commit")
		wantBatch(t, s, "a1 a2 b1 c1")
	})

	// What came while the log was away is counted out before the room is live; what comes later does not
	// hold it up.
	t.Run("backlog", func(t *testing.T) {
		s, _ := suspended(OutageRelay)
		want(t, s.resume(), "commit")
		batch := next(s)
		s.submit(send("c", 1), plenty)
		s.appended(allConfirmed(Position{}, batch))
		if !s.calm() {
			t.Error("only what came since waits")
		}
	})
}

// In mode reject nothing waits: everything is refused at once, with a wait, and never with a last that
// would have the author leave it out. I8
func TestSequencer_SuspendReject(t *testing.T) {
	s, fx := suspended(OutageReject)
	want(t, fx, "a1!unavailable:0 a2!unavailable:0 b1!unavailable:0")
	if fx.nacks[0].retry <= 0 {
		t.Error("nobody is told when to try again")
	}
	want(t, s.submit(send("a", 1), plenty), "a1!unavailable:0")
	s.admit("a", 5, Position{}, true)
	want(t, s.submit(send("a", 3), plenty), "a3!unavailable:2")
	g, ops := newGroup("x", "", 2)
	want(t, s.submitGroup(g, ops, time.Time{}), "group:unavailable")
	want(t, s.resume(), "")
	if got := s.budget.ops.Load(); got != 0 || s.busy() {
		t.Errorf("%d are counted", got)
	}
}

// The batch whose answer was lost goes first when the log is back. What of it was in the log is only told
// as a duplicate if its author has not seen it in the stream. I1, I14
func TestSequencer_Returned(t *testing.T) {
	again := func() *sequencer {
		s := withAuthors("a", "b")
		for _, sub := range []submission{send("a", 1), send("a", 2), send("b", 1)} {
			s.submit(sub, plenty)
		}
		s.nextBatch()
		s.submit(send("b", 2), plenty)
		return s
	}
	t.Run("in the log", func(t *testing.T) {
		s := again()
		s.returned()
		want(t, s.suspend(), "a2~ b2~ ?a1 ?a2 ?b1 ?b2")
		s.resume()
		wantBatch(t, s, "a1 a2 b1 b2")
		want(t, s.feed(stream("a", 2)), "+a1 +a2")
		at := placed(s.head, send("b", 1).op, send("b", 2).op)
		want(t, s.appended([]Appended{
			{Status: Duplicate, Last: 2}, {Status: Duplicate, Last: 2},
			{Confirmed, at[0].Seq, at[0].Hash, 1}, {Confirmed, at[1].Seq, at[1].Hash, 2},
		}), "+b1 +b2")
	})

	t.Run("not in the stream", func(t *testing.T) {
		s := again()
		s.returned()
		s.suspend()
		s.resume()
		wantBatch(t, s, "a1 a2 b1 b2")
		fx := s.appended([]Appended{{Duplicate, 0, 0, 9}, {Duplicate, 0, 0, 9}, {Gap, 0, 0, 0}, {Gap, 0, 0, 0}})
		want(t, fx, "a1!duplicate:9 a2!duplicate:9 b1!gap:0 b2!gap:0")
	})

	// The feed was faster than the answer: nothing of it is sent again, or keeps its author waiting.
	t.Run("seen", func(t *testing.T) {
		s := again()
		s.forget("a")
		want(t, s.feed(stream("a", 2)), "+a1 +a2")
		s.admit("a", 0, Position{}, false)
		s.returned()
		want(t, s.suspend(), "b2~ ?b1 ?b2")
		want(t, s.submit(send("a", 3), 1), "a3~ ?a3")
		s.resume()
		wantBatch(t, s, "b1 b2 a3")
	})
}

// A Submit goes alone and whole, and its caller is told once. I1
func TestSequencer_Group(t *testing.T) {
	t.Run("whole", func(t *testing.T) {
		s := withAuthors("a")
		g, ops := newGroup("x", "", 3)
		s.submit(send("a", 1), plenty)
		want(t, s.submitGroup(g, ops, time.Time{}), "commit")
		s.submit(send("a", 2), plenty)
		first := wantBatch(t, s, "a1")
		want(t, s.appended(allConfirmed(Position{}, first)), "+a1 commit")
		whole := wantBatch(t, s, "x1 x2 x3")
		want(t, s.appended(allConfirmed(s.head, whole)), "+x1 +x2 +x3 group+2+3+4 commit")
		wantBatch(t, s, "a2")
	})

	// With a key the answer may be of an earlier call: what it means is read from the log.
	t.Run("key", func(t *testing.T) {
		s := withAuthors()
		g, ops := newGroup("x", "k", 2)
		s.submitGroup(g, ops, time.Time{})
		b, _ := s.nextBatch()
		if b.Key != "k" {
			t.Errorf("key is %q", b.Key)
		}
		want(t, s.appended([]Appended{{Confirmed, 7, 1, 1}, {Confirmed, 8, 2, 2}}), "group+7+8 read")
	})

	t.Run("refused", func(t *testing.T) {
		s := withAuthors("a")
		g, ops := newGroup("x", "k", 2)
		s.submitGroup(g, ops, time.Time{})
		s.nextBatch()
		s.submit(send("a", 1), plenty)
		want(t, s.refused(Errorf(CodeRejected, "other content")), "group:rejected commit")
		wantBatch(t, s, "a1")
	})

	t.Run("away", func(t *testing.T) {
		s := withAuthors()
		s.suspend()
		g, ops := newGroup("x", "k", 2)
		want(t, s.submitGroup(g, ops, time.Time{}), "?x1 ?x2 group~")
		again, same := newGroup("y", "k", 2)
		again.content = g.content
		want(t, s.submitGroup(again, same, time.Time{}), "group~") // it waits already
		other, ops := newGroup("z", "k", 3)
		want(t, s.submitGroup(other, ops, time.Time{}), "group:rejected")
		s.resume()
		batch := wantBatch(t, s, "x1 x2")
		want(t, s.appended(allConfirmed(Position{}, batch)), "read") // told long ago
	})
}

// What waits is bounded, in a room and over all rooms, in operations and in bytes. I9
func TestSequencer_Budget(t *testing.T) {
	t.Run("room", func(t *testing.T) {
		s := withAuthors("a", "b")
		s.suspend()
		for n := range uint64(journalRoom) {
			if fx := s.submit(send("a", n+1), 2*journalRoom); len(fx.nacks) > 0 {
				t.Fatalf("operation %d: %s", n+1, told(fx))
			}
		}
		full := fmt.Sprintf("a%d!queue_full:%d", journalRoom+1, journalRoom)
		want(t, s.submit(send("a", journalRoom+1), 2*journalRoom), full)
		want(t, s.submit(send("b", 1), plenty), "b1!queue_full:0")
		g, ops := newGroup("x", "", 1)
		want(t, s.submitGroup(g, ops, time.Time{}), "group:queue_full")
		s.resume()
		s.appended(allConfirmed(s.head, next(s)))
		want(t, s.submit(send("b", 1), plenty), "commit")
	})

	t.Run("all rooms", func(t *testing.T) {
		shared := &budget{}
		one := newSequencer(OutageRelay, shared)
		one.admit("a", 0, Position{}, true)
		shared.ops.Store(journalOps - 1)
		want(t, one.submit(send("a", 1), plenty), "commit")
		want(t, one.submit(send("a", 2), plenty), "a2!queue_full:1")
		shared.ops.Store(1)
		shared.bytes.Store(journalBytes - 1)
		want(t, one.submit(send("a", 2), plenty), "a2!queue_full:1")
	})

	// Whatever becomes of it, what has waited is given back.
	t.Run("given back", func(t *testing.T) {
		for name, end := range map[string]func(s *sequencer){
			"confirmed": func(s *sequencer) { s.appended(allConfirmed(s.head, s.ops())) },
			"duplicate": func(s *sequencer) { s.appended([]Appended{{Duplicate, 0, 0, 1}, {Duplicate, 0, 0, 2}}) },
			"gap":       func(s *sequencer) { s.appended([]Appended{{Gap, 0, 0, 0}, {Gap, 0, 0, 0}}) },
			"refused":   func(s *sequencer) { s.refused(errDeleted()) },
			"dropped":   func(s *sequencer) { s.returned(); s.drop(errDeleted()) },
			"rejected":  func(s *sequencer) { s.mode = OutageReject; s.returned(); s.suspend() },
			"seen":      func(s *sequencer) { s.feed(stream("a", 2)); s.returned() },
			"twice":     func(s *sequencer) { s.returned(); next(s); s.appended(allConfirmed(s.head, s.ops())) },
		} {
			t.Run(name, func(t *testing.T) {
				s := withAuthors("a")
				s.submit(send("a", 1), plenty)
				s.submit(send("a", 2), plenty)
				next(s)
				end(s)
				if ops, bytes := s.budget.ops.Load(), s.budget.bytes.Load(); ops != 0 || bytes != 0 {
					t.Errorf("%d operations, %d bytes are counted", ops, bytes)
				}
			})
		}
	})
}

// ops returns the operations in flight.
func (s *sequencer) ops() []Operation {
	ops := make([]Operation, len(s.flight))
	for i := range s.flight {
		ops[i] = s.flight[i].op
	}
	return ops
}

// What is not taken while the room is being deleted is refused with the reason. I14
func TestSequencer_Drop(t *testing.T) {
	s, _ := suspended(OutageRelay)
	g, ops := newGroup("x", "", 1)
	s.resume()
	s.submitGroup(g, ops, time.Time{})
	fx := s.drop(errDeleted())
	want(t, fx, "a1!room_deleted:0 a2!room_deleted:0 b1!room_deleted:0 group:room_deleted")
	if !errors.Is(g.err, fx.groups[0].err) || s.busy() {
		t.Error("something is left")
	}
}
