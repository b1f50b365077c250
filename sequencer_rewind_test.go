package flow // internal: the sequencer is not exported

import (
	"maps"
	"testing"
	"time"
)

// rewound is a sequencer that has delivered a1, a2, b1 and a3, has a4 waiting, and is taken back behind a1
// with what came after it.
func rewound() *sequencer {
	s := withAuthors("a", "b")
	log := placed(Position{}, send("a", 1).op, send("a", 2).op, send("b", 1).op, send("a", 3).op)
	s.feed(log)
	s.submit(send("a", 4), plenty)
	s.suspend()
	s.rewind(log[0].Position(), log[1:])
	s.resume()
	return s
}

// What was delivered behind the place where the histories part goes to the log again, before what waits,
// and nobody is told of it. I1, I3
func TestSequencer_Rewind(t *testing.T) {
	t.Run("again", func(t *testing.T) {
		s := rewound()
		batch := wantBatch(t, s, "a2 b1 a3 a4")
		want(t, s.appended(allConfirmed(s.head, batch)), "+a2 +b1 +a3 +a4")
		if s.calm(); s.budget.ops.Load() != 0 {
			t.Errorf("%d are counted", s.budget.ops.Load())
		}
	})

	// Somebody else was faster: the log has it already.
	t.Run("duplicates", func(t *testing.T) {
		s := rewound()
		wantBatch(t, s, "a2 b1 a3 a4")
		at := placed(s.head, send("a", 2).op, send("b", 1).op, send("a", 3).op, send("a", 4).op)
		want(t, s.appended([]Appended{
			{Duplicate, 0, 0, 3}, {Duplicate, 0, 0, 1}, {Duplicate, 0, 0, 3}, {Confirmed, 5, at[3].Hash, 4},
		}), "read")
		want(t, s.feed(at), "+a2 +b1 +a3 +a4")
	})

	// What an author sends again meanwhile is on its way already; nothing is called a duplicate.
	t.Run("resend", func(t *testing.T) {
		s := rewound()
		want(t, s.submit(send("a", 2), plenty), "")
		want(t, s.submit(send("b", 1), plenty), "")
		want(t, s.submit(send("a", 5), plenty), "commit")
		wantBatch(t, s, "a2 b1 a3 a4 a5")
	})

	// In mode reject what was confirmed once is kept all the same.
	t.Run("reject", func(t *testing.T) {
		s := rewound()
		s.mode = OutageReject
		want(t, s.suspend(), "a4!unavailable:0")
		s.resume()
		wantBatch(t, s, "a2 b1 a3")
	})
}

// What was confirmed once and lacks what its session did before waits for its author, and is not lost
// when that does not come. I1, I14
func TestSequencer_Stranded(t *testing.T) {
	stranded := func() *sequencer {
		s := rewound()
		wantBatch(t, s, "a2 b1 a3 a4")
		at := placed(s.head, send("b", 1).op)
		want(t, s.appended([]Appended{
			{Gap, 0, 0, 0}, {Confirmed, 2, at[0].Hash, 1}, {Gap, 0, 0, 0}, {Gap, 0, 0, 0},
		}), "+b1 a4!gap:0")
		if s.calm() || !s.busy() {
			t.Fatal("two are stranded")
		}
		return s
	}
	t.Run("author comes", func(t *testing.T) {
		s := stranded()
		want(t, s.submit(send("a", 1), plenty), "commit")
		batch := wantBatch(t, s, "a1")
		want(t, s.appended(allConfirmed(s.head, batch)), "+a1")
		want(t, s.unstrand(false), "commit")
		b, _ := s.nextBatch()
		if b.Jump {
			t.Error("nothing is left out")
		}
		want(t, s.appended(allConfirmed(s.head, b.Operations)), "+a2 +a3")
		if !s.calm() {
			t.Error("nothing is stranded any more")
		}
	})

	t.Run("author is gone", func(t *testing.T) {
		s := stranded()
		s.submit(send("b", 2), plenty)
		want(t, s.unstrand(true), "commit")
		b, _ := s.nextBatch()
		if !b.Jump || len(b.Operations) != 2 {
			t.Fatalf("batch is %+v", b)
		}
		want(t, s.appended(allConfirmed(s.head, b.Operations)), "+a2 +a3 commit")
		if b, _ := s.nextBatch(); b.Jump || len(b.Operations) != 1 {
			t.Fatalf("batch is %+v", b)
		}
	})

	t.Run("room is deleted", func(t *testing.T) {
		s := stranded()
		want(t, s.drop(errDeleted()), "")
		if s.busy() {
			t.Error("something is left")
		}
	})
}

// A log that is asked for what it had of a session answers with less than was seen: it has forgotten, and
// is told; nobody is sent back. I14
func TestSequencer_Forgotten(t *testing.T) {
	s := withAuthors("a", "b")
	s.feed(stream("a", 3))
	s.submit(send("a", 4), plenty)
	s.submit(send("b", 1), plenty)
	s.submit(send("a", 5), plenty)
	wantBatch(t, s, "a4 b1 a5")
	at := placed(s.head, send("b", 1).op)
	fx := s.appended([]Appended{{Gap, 0, 0, 0}, {Confirmed, 4, at[0].Hash, 1}, {Gap, 0, 0, 0}})
	want(t, fx, "+b1 vouch commit")
	if got := s.vouch(func(Position) bool { return false }); !maps.Equal(got, map[string]uint64{"a": 3, "b": 1}) {
		t.Errorf("vouches for %v", got)
	}
	wantBatch(t, s, "a4 a5")
}

// What is vouched for was seen, or told by a log at a place where the room has been. I1
func TestSequencer_Vouch(t *testing.T) {
	s := withAuthors("d")
	s.admit("a", 7, Position{5, 5}, true)
	s.admit("b", 4, Position{6, 6}, true)
	s.admit("c", 0, Position{}, false)
	s.feed(stream("c", 2))
	passed := func(p Position) bool { return p == Position{5, 5} }
	if got := s.vouch(passed); !maps.Equal(got, map[string]uint64{"a": 7, "c": 2}) {
		t.Errorf("vouches for %v", got)
	}
}

// What the log has confirmed stays known until it was delivered: the log may lose it before. I14
func TestSequencer_Unseen(t *testing.T) {
	confirmed := func(at Position) *sequencer {
		s := withAuthors("a")
		s.submit(send("a", 1), plenty)
		batch := next(s)
		want(t, s.appended(allConfirmed(at, batch)), "read")
		return s
	}
	log := placed(Position{}, send("x", 1).op, send("x", 2).op, send("a", 1).op)
	other := placed(Position{}, send("y", 1).op, send("y", 2).op, send("y", 3).op)
	t.Run("delivered", func(t *testing.T) {
		s := confirmed(log[1].Position())
		want(t, s.feed(log), "+x1 +x2 +a1")
		want(t, s.suspend(), "")
	})

	t.Run("suspended before", func(t *testing.T) {
		s := confirmed(log[1].Position())
		want(t, s.suspend(), "a1~ ?a1")
		s.resume()
		wantBatch(t, s, "a1")
	})

	t.Run("its place is another's", func(t *testing.T) {
		s := confirmed(log[1].Position())
		want(t, s.feed(other), "+y1 +y2 +y3 doubt")
		want(t, s.suspend(), "a1~ ?a1")
		s.resume()
		wantBatch(t, s, "a1")
	})

	t.Run("behind the room", func(t *testing.T) {
		s := withAuthors("a")
		s.submit(send("a", 1), plenty)
		batch := next(s)
		s.feed(other)
		want(t, s.appended(allConfirmed(Position{}, batch)), "doubt")
		want(t, s.suspend(), "a1~ ?a1")
	})
}

// Of a Submit that was delivered in part, the rest goes again without being taken for the whole. I1, I14
func TestSequencer_UnseenGroup(t *testing.T) {
	s := withAuthors("a")
	g, ops := newGroup("z", "", 3)
	s.submitGroup(g, ops, time.Time{})
	batch := next(s)
	log := placed(Position{}, send("y", 1).op, batch[0], batch[1], batch[2])
	want(t, s.appended(allConfirmed(log[0].Position(), batch)), "group+2+3+4 read")
	clear(s.held) // it was too much to hold
	want(t, s.feed(log[:2]), "+y1 +z1 read")
	s.suspend()
	s.resume()
	wantBatch(t, s, "z2 z3")
}
