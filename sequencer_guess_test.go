package flow // internal: the sequencer is not exported

import "testing"

// What an author whose last n is not known sent first is a guess about what came before it. Nothing is
// called a duplicate because of a guess: its author would take it for saved. I1, I14
func TestSequencer_SubmitGuess(t *testing.T) {
	// op 1 was rejected by the hook, op 2 followed on its heels; op 2 is renumbered and sent as op 1.
	t.Run("in flight", func(t *testing.T) {
		s := newSequencer(OutageRelay, &budget{})
		s.admit("a", 0, Position{}, false)
		s.submit(send("a", 2), plenty)
		s.nextBatch()
		fx := s.submit(send("a", 1), plenty)
		if len(fx.nacks) == 1 && fx.nacks[0].code == CodeDuplicate {
			t.Errorf("a1 is called a duplicate, and nobody has it")
		}
	})

	// The same, with a log that is still away.
	t.Run("after a failure", func(t *testing.T) {
		s := newSequencer(OutageRelay, &budget{})
		s.admit("a", 0, Position{}, false)
		s.submit(send("a", 2), plenty)
		s.nextBatch()
		s.mode = OutageReject
		s.returned()
		s.suspend()
		s.resume()
		want(t, s.submit(send("a", 1), plenty), "commit")
	})

	// Joining again with the true n ends the guess.
	t.Run("after a join", func(t *testing.T) {
		s := newSequencer(OutageRelay, &budget{})
		s.admit("a", 0, Position{}, false)
		s.submit(send("a", 2), plenty)
		s.nextBatch()
		s.mode = OutageReject
		s.returned()
		s.suspend()
		s.resume()
		s.admit("a", 0, Position{}, true)
		want(t, s.submit(send("a", 1), plenty), "commit")
	})
}

// What did not fit among the held entries is still missing when the hole before them is filled: the log
// has to be read, or the room stays behind until the next operation or position check. I2, I11
func TestSequencer_FeedOverflow(t *testing.T) {
	s := withAuthors()
	log := stream("a", heldOps+50)
	want(t, s.feed(log[1:]), "read")
	if fx := s.feed(log[:1]); !fx.read {
		t.Errorf("the head is at %d, entries up to %d were heard of, and nobody reads", s.head.Seq, len(log))
	}
}

// After the log has lost what an author had in it, the author's operations are taken again: nothing is
// called a duplicate from memory. I1
func TestSequencer_RestartForgets(t *testing.T) {
	s := withAuthors("a")
	want(t, s.feed(stream("a", 3)), "+a1 +a2 +a3")
	s.restart(Position{})
	want(t, s.submit(send("a", 1), plenty), "commit")
	wantBatch(t, s, "a1")
}
