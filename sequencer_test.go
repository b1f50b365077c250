package flow // internal: the sequencer is not exported

import (
	"fmt"
	"strings"
	"testing"
)

// send is the nth operation of a session on its way to the log.
func send(session string, n uint64) submission {
	data := fmt.Appendf(nil, `"%s%d"`, session, n)
	return submission{op: Operation{Session: session, N: n, User: session, Data: data}}
}

// placed gives operations the places after a position, as a log does.
func placed(at Position, ops ...Operation) []Operation {
	for i := range ops {
		at = at.Next(ops[i].Session, ops[i].N, DigestOf(ops[i].Data))
		ops[i].Seq, ops[i].Hash = at.Seq, at.Hash
	}
	return ops
}

// stream is a log of operations of one session, from its first on.
func stream(session string, count uint64) []Operation {
	ops := make([]Operation, count)
	for i := range ops {
		ops[i] = send(session, uint64(i)+1).op
	}
	return placed(Position{}, ops...)
}

// told writes effects down: "+s1" for a delivered operation, "s2!gap:1" for a nack with its last, "s2~"
// for what is queued up to there, "?s2" for what is tentative, then outcomes of groups, and what the
// shell has to do.
func told(fx effects) string {
	var words []string
	for _, op := range fx.confirmed {
		words = append(words, fmt.Sprintf("+%s%d", op.Session, op.N))
	}
	for _, n := range fx.nacks {
		words = append(words, fmt.Sprintf("%s%d!%s:%d", n.session, n.n, n.code, n.last))
	}
	for _, w := range fx.queued {
		words = append(words, fmt.Sprintf("%s%d~", w.session, w.n))
	}
	for _, op := range fx.tentative {
		words = append(words, fmt.Sprintf("?%s%d", op.Session, op.N))
	}
	for _, g := range fx.groups {
		words = append(words, groupWords(g))
	}
	if fx.doubt {
		words = append(words, "doubt")
	}
	if fx.vouch {
		words = append(words, "vouch")
	}
	if fx.commit {
		words = append(words, "commit")
	}
	if fx.read {
		words = append(words, "read")
	}
	return strings.Join(words, " ")
}

// want fails unless effects are told like this.
func want(t *testing.T, fx effects, words string) {
	t.Helper()
	if got := told(fx); got != words {
		t.Fatalf("effects are %q, want %q", got, words)
	}
}

// next returns the operations of the next batch.
func next(s *sequencer) []Operation {
	b, _ := s.nextBatch()
	return b.Operations
}

// wantBatch fails unless the next batch is these operations.
func wantBatch(t *testing.T, s *sequencer, words string) []Operation {
	t.Helper()
	batch := next(s)
	var got []string
	for _, op := range batch {
		got = append(got, fmt.Sprint(op.Session, op.N))
		if string(op.Data) != fmt.Sprintf(`"%s%d"`, op.Session, op.N) {
			t.Fatalf("%s%d has data %s", op.Session, op.N, op.Data)
		}
	}
	if strings.Join(got, " ") != words {
		t.Fatalf("batch is %q, want %q", got, words)
	}
	return batch
}

// allConfirmed answers a batch with the places after a position.
func allConfirmed(at Position, batch []Operation) []Appended {
	answers := make([]Appended, len(batch))
	for i, op := range placed(at, append([]Operation(nil), batch...)...) {
		answers[i] = Appended{Status: Confirmed, Seq: op.Seq, Hash: op.Hash, Last: op.N}
	}
	return answers
}

// withAuthors returns a sequencer of an empty room that knows some authors.
func withAuthors(sessions ...string) *sequencer {
	s := newSequencer(OutageRelay, &budget{})
	for _, session := range sessions {
		s.admit(session, 0, Position{}, true)
	}
	return s
}

const plenty = 1000 // pending operations

func TestSequencer_Submit(t *testing.T) {
	// Operations are taken in the order of n, and a batch is called for while none is under way. I3
	t.Run("in order", func(t *testing.T) {
		s := withAuthors("a")
		want(t, s.submit(send("a", 1), plenty), "commit")
		want(t, s.submit(send("a", 2), plenty), "commit")
		wantBatch(t, s, "a1 a2")
		want(t, s.submit(send("a", 3), plenty), "")
	})

	// Who has not joined, or has left, cannot submit.
	t.Run("not joined", func(t *testing.T) {
		s := withAuthors("a")
		want(t, s.submit(send("b", 1), plenty), "b1!not_joined:0")
		s.forget("a")
		want(t, s.submit(send("a", 1), plenty), "a1!not_joined:0")
	})

	// What is in the log is a duplicate, what is missing before is a gap; both tell where to go on. I1, I3
	t.Run("duplicate and gap", func(t *testing.T) {
		s := newSequencer(OutageRelay, &budget{})
		s.admit("a", 4, Position{}, true)
		want(t, s.submit(send("a", 4), plenty), "a4!duplicate:4")
		want(t, s.submit(send("a", 1), plenty), "a1!duplicate:4")
		want(t, s.submit(send("a", 6), plenty), "a6!gap:4")
		want(t, s.submit(send("a", 5), plenty), "commit")
		want(t, s.submit(send("a", 7), plenty), "a7!gap:5")
		want(t, s.submit(send("a", 6), plenty), "commit")
		wantBatch(t, s, "a5 a6")
	})

	// A resend of what is queued or in flight is answered with the first one, and appended once. I1
	t.Run("on its way", func(t *testing.T) {
		s := withAuthors("a")
		s.submit(send("a", 1), plenty)
		want(t, s.submit(send("a", 1), plenty), "")
		batch := wantBatch(t, s, "a1")
		want(t, s.submit(send("a", 1), plenty), "")
		want(t, s.appended(allConfirmed(Position{}, batch)), "+a1")
		want(t, s.submit(send("a", 1), plenty), "a1!duplicate:1")
		wantBatch(t, s, "")
	})

	// More than so many unconfirmed ones are refused, until some are confirmed. I9
	t.Run("queue full", func(t *testing.T) {
		s := withAuthors("a", "b")
		s.submit(send("a", 1), 2)
		batch := wantBatch(t, s, "a1")
		s.submit(send("a", 2), 2)
		fx := s.submit(send("a", 3), 2)
		if want(t, fx, "a3!queue_full:2"); fx.nacks[0].retry <= 0 {
			t.Errorf("nobody is told when to try again: %+v", fx.nacks[0])
		}
		want(t, s.submit(send("a", 4), 2), "a4!gap:2")
		want(t, s.submit(send("b", 1), 2), "")
		want(t, s.appended(allConfirmed(Position{}, batch)), "+a1 commit")
		want(t, s.submit(send("a", 3), 2), "commit")
		wantBatch(t, s, "a2 b1 a3")
	})
}

// An author whose last n could not be read goes on where it is; the log decides. I3, I8
func TestSequencer_SubmitUnknown(t *testing.T) {
	t.Run("goes on", func(t *testing.T) {
		s := newSequencer(OutageRelay, &budget{})
		s.admit("a", 0, Position{}, false)
		want(t, s.submit(send("a", 5), plenty), "commit")
		want(t, s.submit(send("a", 7), plenty), "a7!gap:5")
		want(t, s.submit(send("a", 6), plenty), "commit")
		batch := wantBatch(t, s, "a5 a6")
		want(t, s.appended(allConfirmed(Position{4, 1}, batch)), "read")
		want(t, s.submit(send("a", 7), plenty), "commit")
	})

	t.Run("the log knows better", func(t *testing.T) {
		s := newSequencer(OutageRelay, &budget{})
		s.admit("a", 0, Position{}, false)
		s.submit(send("a", 5), plenty)
		wantBatch(t, s, "a5")
		s.submit(send("a", 6), plenty)
		want(t, s.appended([]Appended{{Status: Gap, Last: 2}}), "a6!gap:2 a5!gap:2")
		want(t, s.submit(send("a", 5), plenty), "a5!gap:2")
		want(t, s.submit(send("a", 2), plenty), "a2!duplicate:2")
		want(t, s.submit(send("a", 3), plenty), "commit")
	})

	t.Run("learnt from the feed", func(t *testing.T) {
		s := newSequencer(OutageRelay, &budget{})
		s.admit("a", 0, Position{}, false)
		want(t, s.feed(stream("a", 2)), "+a1 +a2")
		want(t, s.submit(send("a", 2), plenty), "a2!duplicate:2")
		want(t, s.submit(send("a", 4), plenty), "commit") // the feed may lag: the log decides
	})
}

func TestSequencer_Admit(t *testing.T) {
	// Joining again says what is in the log by now, and never takes back what is known or queued. I3
	t.Run("again", func(t *testing.T) {
		s := withAuthors("a")
		s.submit(send("a", 1), plenty)
		s.admit("a", 0, Position{}, true)
		want(t, s.submit(send("a", 1), plenty), "")
		want(t, s.submit(send("a", 2), plenty), "commit")
		s.admit("a", 5, Position{}, true)
		want(t, s.submit(send("a", 5), plenty), "a5!duplicate:5")
		want(t, s.submit(send("a", 6), plenty), "commit")
		s.admit("a", 3, Position{}, true)
		s.admit("a", 0, Position{}, false)
		want(t, s.submit(send("a", 3), plenty), "a3!duplicate:5")
	})

	// A session that left and came back resends what is still queued: it is on its way, once. I1
	t.Run("back", func(t *testing.T) {
		s := withAuthors("a")
		s.submit(send("a", 1), plenty)
		s.forget("a")
		s.admit("a", 0, Position{}, true)
		want(t, s.submit(send("a", 1), plenty), "")
		batch := wantBatch(t, s, "a1")
		want(t, s.appended(allConfirmed(Position{}, batch)), "+a1")
	})
}

func TestSequencer_NextBatch(t *testing.T) {
	// One batch is in flight at a time; what arrives meanwhile goes together in the next, in the order
	// of its arrival. I3, I13
	t.Run("group commit", func(t *testing.T) {
		s := withAuthors("a", "b")
		wantBatch(t, s, "")
		s.submit(send("a", 1), plenty)
		first := wantBatch(t, s, "a1")
		for _, sub := range []submission{send("b", 1), send("a", 2), send("b", 2), send("a", 3)} {
			s.submit(sub, plenty)
		}
		wantBatch(t, s, "")
		want(t, s.appended(allConfirmed(Position{}, first)), "+a1 commit")
		second := wantBatch(t, s, "b1 a2 b2 a3")
		s.submit(send("a", 4), plenty)
		want(t, s.appended(allConfirmed(s.head, second)), "+b1 +a2 +b2 +a3 commit")
		wantBatch(t, s, "a4")
		if !s.busy() {
			t.Error("a batch is in flight, and it is not busy")
		}
	})

	// A batch holds 32 operations at most, and what is handed out does not change behind the caller.
	t.Run("operations", func(t *testing.T) {
		s := withAuthors("a")
		for n := range uint64(70) {
			s.submit(send("a", n+1), plenty)
		}
		for _, size := range []int{batchOps, batchOps, 70 - 2*batchOps} {
			batch := next(s)
			before := fmt.Sprint(batch)
			s.submit(send("a", s.authors["a"].tail+1), plenty)
			if len(batch) < size || len(batch) > batchOps || fmt.Sprint(batch) != before {
				t.Fatalf("batch has %d operations, want %d", len(batch), size)
			}
			s.appended(allConfirmed(s.head, batch))
		}
	})

	// A batch holds 64 KiB of data at most; one that is larger goes alone. None is lost or overtaken. I3
	t.Run("bytes", func(t *testing.T) {
		s := withAuthors("a")
		sizes := []int{batchBytes / 2, batchBytes / 2, 1, batchBytes + 1, 1, batchBytes - 1, 1, batchBytes, batchBytes}
		for i, size := range sizes {
			s.submit(submission{op: Operation{Session: "a", N: uint64(i + 1), Data: make([]byte, size)}}, plenty)
		}
		for _, count := range []int{2, 1, 1, 2, 1, 1, 1} {
			batch := next(s)
			if len(batch) != count || batch[0].N != s.authors["a"].last+1 {
				t.Fatalf("batch of %d from %d, want %d", len(batch), batch[0].N, count)
			}
			s.appended(allConfirmed(s.head, batch))
		}
		if s.busy() {
			t.Error("something is left")
		}
	})
}
