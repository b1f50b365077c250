package flow // internal: the sequencer is not exported

import (
	"testing"
)

func TestSequencer_Appended(t *testing.T) {
	// Each answer of a batch reaches its author; those behind a gap go back with it, others stay. I1, I8
	t.Run("mixed", func(t *testing.T) {
		s := withAuthors("a", "b", "c")
		for _, sub := range []submission{send("a", 1), send("b", 1), send("c", 1), send("b", 2)} {
			s.submit(sub, plenty)
		}
		wantBatch(t, s, "a1 b1 c1 b2")
		for _, sub := range []submission{send("b", 3), send("a", 2), send("b", 4)} {
			s.submit(sub, plenty)
		}
		at := placed(Position{}, send("a", 1).op)[0]
		fx := s.appended([]Appended{
			{Status: Confirmed, Seq: at.Seq, Hash: at.Hash, Last: 1}, {Status: Gap, Last: 0},
			{Status: Duplicate, Last: 3}, {Status: Gap, Last: 0},
		})
		want(t, fx, "+a1 b3!gap:0 b4!gap:0 b1!gap:0 c1!duplicate:3 b2!gap:0 commit")
		want(t, s.submit(send("b", 2), plenty), "b2!gap:0")
		want(t, s.submit(send("b", 1), plenty), "commit")
		want(t, s.submit(send("c", 4), plenty), "commit")
		wantBatch(t, s, "a2 b1 c4")
	})

	// What the feed has brought already is not delivered again by the answer. I2
	t.Run("after the feed", func(t *testing.T) {
		s := withAuthors("a")
		s.submit(send("a", 1), plenty)
		batch := wantBatch(t, s, "a1")
		want(t, s.feed(stream("a", 1)), "+a1")
		want(t, s.appended(allConfirmed(Position{}, batch)), "")
	})

	// What is confirmed beyond a hole waits until the hole is filled, and nobody sees another order. I2
	t.Run("before the feed", func(t *testing.T) {
		s := withAuthors("a", "b")
		s.submit(send("b", 1), plenty)
		s.nextBatch()
		log := placed(Position{}, send("a", 1).op, send("a", 2).op, send("b", 1).op)
		want(t, s.appended([]Appended{{Confirmed, 3, log[2].Hash, 1}}), "read")
		want(t, s.feed(log[1:2]), "read")
		want(t, s.feed(log), "+a1 +a2 +b1")
	})

	// What was confirmed where the room does not read any more is known to be in the log all the same.
	t.Run("behind a restart", func(t *testing.T) {
		s := withAuthors("a")
		s.submit(send("a", 1), 1)
		batch := wantBatch(t, s, "a1")
		s.restart(Position{9, 9})
		want(t, s.appended(allConfirmed(Position{}, batch)), "doubt")
		want(t, s.submit(send("a", 1), 1), "a1!duplicate:1")
		want(t, s.submit(send("a", 2), 1), "commit")
	})
}

func TestSequencer_Feed(t *testing.T) {
	// Whatever the feed repeats, mixes up or leaves out, each entry is delivered once and in order. I2
	t.Run("any order", func(t *testing.T) {
		s := withAuthors()
		log := stream("a", 6)
		want(t, s.feed(log[:2]), "+a1 +a2")
		want(t, s.feed(log[:2]), "")
		want(t, s.feed(log[4:5]), "read")
		want(t, s.feed(log[4:5]), "read")
		want(t, s.feed(log[3:4]), "read")
		want(t, s.feed(log[1:3]), "+a3 +a4 +a5")
		want(t, s.feed(log), "+a6")
		want(t, s.feed(nil), "")
		if s.head != log[5].Position() || len(s.held) != 0 {
			t.Errorf("head is %v, %d are held", s.head, len(s.held))
		}
	})

	// While one hole is filled and another is left, the log has to be read. I2
	t.Run("two holes", func(t *testing.T) {
		s := withAuthors()
		log := stream("a", 6)
		want(t, s.feed([]Operation{log[1], log[2], log[5]}), "read")
		want(t, s.feed(log[:1]), "+a1 +a2 +a3 read")
		want(t, s.feed(log[3:5]), "+a4 +a5 +a6")
	})

	// What others appended for a session, it has not to send again. I4
	t.Run("learns", func(t *testing.T) {
		s := withAuthors("a")
		s.submit(send("a", 1), plenty)
		s.feed(stream("a", 3))
		want(t, s.submit(send("a", 3), plenty), "a3!duplicate:3")
		want(t, s.submit(send("a", 4), plenty), "commit")
	})

	// What waits behind a hole is bounded; the log has the rest. I9
	t.Run("bounded", func(t *testing.T) {
		s := withAuthors()
		log := stream("a", heldOps+50)
		want(t, s.feed(log[1:]), "read")
		if len(s.held) != heldOps {
			t.Fatalf("%d are held", len(s.held))
		}
		if fx := s.feed(log[:1]); len(fx.confirmed) != heldOps+1 || len(s.held) != 0 {
			t.Fatalf("%d were delivered, %d are held", len(fx.confirmed), len(s.held))
		}
		if fx := s.feed(log); len(fx.confirmed) != 49 || fx.read {
			t.Fatalf("%d were delivered", len(fx.confirmed))
		}
	})
}

// A room that starts anew at another position forgets what it held, and delivers from there. I2
func TestSequencer_Restart(t *testing.T) {
	log := stream("a", 6)
	s := withAuthors()
	s.feed(log[2:3])
	s.restart(log[3].Position())
	want(t, s.feed(log[:4]), "")
	want(t, s.feed(log[4:]), "+a5 +a6")
	s.restart(log[0].Position())
	want(t, s.feed(log), "+a2 +a3 +a4 +a5 +a6")
	if len(s.held) > 0 {
		t.Errorf("%d are held", len(s.held))
	}
}
