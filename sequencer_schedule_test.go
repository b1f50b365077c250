package flow // internal: the sequencer is not exported

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The property test of the sequencer plays a room on several instances that share one log, with every
// fault that a log and its feed may have: answers that are lost, appends that run late, feeds that are
// lost, repeated or mixed up, reads that are old when they arrive, instances that die, sessions that
// move. Then it lets everything become quiet, and holds all that was seen to the invariants.

// modelLog is the smallest log that keeps its contract.
type modelLog struct {
	ops  []Operation
	last map[string]uint64
}

func (l *modelLog) head() Position {
	if len(l.ops) == 0 {
		return Position{}
	}
	return l.ops[len(l.ops)-1].Position()
}

// append answers a batch, and returns what was added.
func (l *modelLog) append(batch []Operation) (answers []Appended, added []Operation) {
	for _, op := range batch {
		switch last := l.last[op.Session]; {
		case op.N <= last:
			answers = append(answers, Appended{Status: Duplicate, Last: last})
		case op.N > last+1:
			answers = append(answers, Appended{Status: Gap, Last: last})
		default:
			at := l.head().Next(op.Session, op.N, DigestOf(op.Data))
			op.Seq, op.Hash = at.Seq, at.Hash
			l.ops = append(l.ops, op)
			l.last[op.Session] = op.N
			answers = append(answers, Appended{Status: Confirmed, Seq: op.Seq, Hash: op.Hash, Last: op.N})
			added = append(added, op)
		}
	}
	return answers, added
}

// modelInstance is the shell around one sequencer, with the hands of the test on everything that takes
// time.
type modelInstance struct {
	seq     *sequencer
	from    Position        // where its deliveries began
	out     []Operation     // what it delivered
	feeds   [][]Operation   // on their way to it
	pages   [][]Operation   // reads of the log on their way to it
	flight  []Operation     // the batch under way, nil when there is none
	answers []Appended      // of the batch, once the log has it
	ran     bool            // the log has the batch
	open    map[string]bool // submissions without an answer, by session and n
}

// modelAuthor is a client that keeps the rules: it sends in order, keeps what is not confirmed, and
// goes back where it is told to.
type modelAuthor struct {
	session   string
	at        *modelInstance
	made      uint64 // operations it has made
	confirmed uint64 // seen in the stream
	sent      uint64 // those up to it were submitted since the last setback
}

// schedule is one run.
type schedule struct {
	t         *rapid.T
	log       modelLog
	instances []*modelInstance
	authors   []*modelAuthor
	late      [][]Operation // batches that were given up, and may still run
}

const modelPending = 4

func newSchedule(t *rapid.T) *schedule {
	s := &schedule{t: t, log: modelLog{last: map[string]uint64{}}}
	for range rapid.IntRange(1, 3).Draw(t, "instances") {
		s.instances = append(s.instances, s.start())
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "authors") {
		a := &modelAuthor{session: string(rune('a' + i))}
		s.authors = append(s.authors, a)
		s.join(a, s.instances[i%len(s.instances)], true)
	}
	return s
}

// start opens the room on a new instance: it knows where the log ends.
func (s *schedule) start() *modelInstance {
	return &modelInstance{seq: newSequencer(s.log.head()), from: s.log.head(), open: map[string]bool{}}
}

// join moves an author to an instance, which may or may not be able to ask the log for its last n.
func (s *schedule) join(a *modelAuthor, to *modelInstance, known bool) {
	if a.at != nil && a.at != to {
		a.at.seq.forget(a.session)
	}
	a.at = to
	last := uint64(0)
	if known {
		last = s.log.last[a.session]
		a.confirmed = max(a.confirmed, last)
	}
	to.seq.admit(a.session, last, known)
	a.sent = a.confirmed
}

// key names a submission.
func key(session string, n uint64) string { return fmt.Sprint(session, n) }

// submit sends an author's next operation, new or again.
func (s *schedule) submit(a *modelAuthor) {
	n := a.sent + 1
	a.made, a.sent = max(a.made, n), n
	a.at.open[key(a.session, n)] = true
	s.apply(a.at, a.at.seq.submit(send(a.session, n), modelPending))
}

// apply does what a sequencer asks for, and what its authors do upon it.
func (s *schedule) apply(in *modelInstance, fx effects) {
	for _, op := range fx.confirmed {
		at := in.from
		if len(in.out) > 0 {
			at = in.out[len(in.out)-1].Position()
		}
		if !op.Follows(at) {
			s.t.Fatalf("I2: %v was delivered after %v", op.Position(), at)
		}
		in.out = append(in.out, op)
		delete(in.open, key(op.Session, op.N))
	}
	for _, n := range fx.nacks {
		delete(in.open, key(n.session, n.n))
		s.nacked(in, n)
	}
	for _, a := range s.authors {
		a.look(in, s.log.ops)
	}
}

// heard applies what a feed or a page did. An entry that has to wait asks for the log to be read.
func (s *schedule) heard(in *modelInstance, ops []Operation) {
	before := len(in.seq.held)
	fx := in.seq.feed(ops)
	if len(in.seq.held) > before && !fx.read {
		s.t.Fatalf("I2: %d entries wait, and nobody reads what is missing", len(in.seq.held))
	}
	s.apply(in, fx)
}

// nacked sets an author back.
func (s *schedule) nacked(in *modelInstance, n nack) {
	for _, a := range s.authors {
		if a.session != n.session || a.at != in {
			continue
		}
		switch n.code {
		case CodeDuplicate:
			if s.log.last[a.session] < n.n {
				s.t.Fatalf("I1: %s%d is called a duplicate, and is not in the log", n.session, n.n)
			}
		case CodeGap, CodeQueueFull, CodeUnavailable:
			a.sent = min(a.sent, n.last) // also what it has seen confirmed: it keeps that for a while
		default:
			s.t.Fatalf("nack is %+v", n)
		}
	}
}

// look lets an author read the stream as far as its instance has delivered it.
func (a *modelAuthor) look(in *modelInstance, log []Operation) {
	if a.at != in {
		return
	}
	for _, op := range log[:in.seq.head.Seq] {
		if op.Session == a.session && op.N > a.confirmed {
			a.confirmed, a.sent = op.N, max(a.sent, op.N)
		}
	}
}

// begin takes the next batch of an instance.
func (in *modelInstance) begin() {
	if in.flight == nil {
		in.flight, in.answers, in.ran = in.seq.nextBatch(), nil, false
	}
}

// execute runs a batch at the log, and sends the feeds out.
func (s *schedule) execute(batch []Operation) []Appended {
	answers, added := s.log.append(batch)
	for _, in := range s.instances {
		if len(added) > 0 {
			in.feeds = append(in.feeds, added)
		}
	}
	return answers
}

// reply gives an instance the answer of the log, or a failure: of a batch that ran, or that did not, or
// that will run later.
func (s *schedule) reply(in *modelInstance, fail bool) {
	if in.flight == nil || (!in.ran && !fail) {
		return
	}
	batch := in.flight
	in.flight = nil
	if !fail {
		s.apply(in, in.seq.appended(in.answers))
		return
	}
	if !in.ran && rapid.Bool().Draw(s.t, "runs late") {
		s.late = append(s.late, batch)
	}
	s.apply(in, in.seq.failed(Unavailable(nil)))
}

// step does one thing that can happen.
func (s *schedule) step() {
	in := s.instances[rapid.IntRange(0, len(s.instances)-1).Draw(s.t, "instance")]
	a := s.authors[rapid.IntRange(0, len(s.authors)-1).Draw(s.t, "author")]
	switch rapid.SampledFrom([]string{
		"submit", "submit", "submit", "begin", "begin", "run", "run", "reply", "reply", "fail", "late",
		"hear", "hear", "hear", "hear", "join", "die", "stray",
	}).Draw(s.t, "step") {
	case "submit":
		s.submit(a)
	case "begin":
		in.begin()
	case "run":
		if in.flight != nil && !in.ran {
			in.answers, in.ran = s.execute(in.flight), true
		}
	case "reply":
		s.reply(in, false)
	case "fail":
		s.reply(in, true)
	case "late":
		if len(s.late) > 0 {
			i := rapid.IntRange(0, len(s.late)-1).Draw(s.t, "batch")
			s.execute(s.late[i])
			s.late = slices.Delete(s.late, i, i+1)
		}
	case "join":
		s.join(a, in, rapid.Bool().Draw(s.t, "known"))
	case "die":
		s.die(in)
	case "stray": // a resend that nobody asked for, of anything that was ever sent
		s.stray(a)
	default:
		s.hear(in)
	}
}

// hear brings an instance something of the log, in any order, once, twice or not at all.
func (s *schedule) hear(in *modelInstance) {
	if rapid.Bool().Draw(s.t, "reads") {
		end := min(len(s.log.ops), int(in.seq.head.Seq)+rapid.IntRange(1, 5).Draw(s.t, "page"))
		in.pages = append(in.pages, s.log.ops[min(int(in.seq.head.Seq), end):end])
	}
	from := &in.feeds
	if rapid.Bool().Draw(s.t, "page") {
		from = &in.pages
	}
	if len(*from) == 0 {
		return
	}
	i := rapid.IntRange(0, len(*from)-1).Draw(s.t, "message")
	ops := (*from)[i]
	fate := rapid.SampledFrom([]string{"take", "take", "take", "lose", "repeat"}).Draw(s.t, "fate")
	if fate != "repeat" {
		*from = slices.Delete(*from, i, i+1)
	}
	if fate != "lose" {
		s.heard(in, ops)
	}
}

// die ends an instance: what it had in memory is gone, its authors join another one.
func (s *schedule) die(in *modelInstance) {
	if rapid.IntRange(0, 9).Draw(s.t, "dies in ten") != 9 {
		return
	}
	if in.flight != nil && !in.ran {
		s.late = append(s.late, in.flight)
	}
	i := slices.Index(s.instances, in)
	s.instances[i] = s.start()
	for _, a := range s.authors {
		if a.at == in {
			a.at = nil
			s.join(a, s.instances[rapid.IntRange(0, len(s.instances)-1).Draw(s.t, "goes to")], true)
		}
	}
}

// stray submits something again.
func (s *schedule) stray(a *modelAuthor) {
	if a.sent == 0 {
		return
	}
	n := rapid.Uint64Range(1, a.sent).Draw(s.t, "again")
	a.at.open[key(a.session, n)] = true
	s.apply(a.at, a.at.seq.submit(send(a.session, n), modelPending))
}

// settle ends all faults, and lets everybody finish.
func (s *schedule) settle() {
	for range 1000 {
		quiet := true
		for _, a := range s.authors {
			if a.sent < a.made {
				s.submit(a)
			}
			quiet = quiet && a.confirmed == a.made
		}
		for _, in := range s.instances {
			if in.begin(); in.flight != nil && !in.ran {
				in.answers, in.ran = s.execute(in.flight), true
			}
			s.reply(in, false)
			in.feeds, in.pages = nil, nil // and the log is read
			s.heard(in, s.log.ops[in.seq.head.Seq:])
			quiet = quiet && !in.seq.busy() && in.flight == nil && in.seq.head == s.log.head()
		}
		if quiet {
			return
		}
	}
	s.t.Fatal("I14: it never becomes quiet")
}

// check holds the end to the invariants.
func (s *schedule) check() {
	at, last := Position{}, map[string]uint64{}
	for _, op := range s.log.ops {
		if !op.Follows(at) || op.N != last[op.Session]+1 || string(op.Data) != string(send(op.Session, op.N).op.Data) {
			s.t.Fatalf("I1, I3: the log has %+v after %v", op, at)
		}
		at, last[op.Session] = op.Position(), op.N
	}
	for _, a := range s.authors {
		if last[a.session] != a.made {
			s.t.Fatalf("I1: %s made %d operations, the log has %d", a.session, a.made, last[a.session])
		}
	}
	for i, in := range s.instances {
		if len(in.open) > 0 {
			s.t.Fatalf("I8, I14: instance %d has not answered %v", i, in.open)
		}
		if got := s.log.ops[in.from.Seq:]; !slices.EqualFunc(got, in.out, sameOperation) {
			s.t.Fatalf("I2: instance %d delivered %d operations, want %d", i, len(in.out), len(got))
		}
		if len(in.seq.held) > 0 {
			s.t.Fatalf("I9: instance %d holds %d operations", i, len(in.seq.held))
		}
	}
}

func sameOperation(a, b Operation) bool {
	return a.Position() == b.Position() && a.Session == b.Session && a.N == b.N && string(a.Data) == string(b.Data)
}

// Whatever happens, once it is quiet every instance has delivered the same log with linked hashes (I2),
// each operation is in it once with the bytes of its author (I1), in its author's order (I3), and
// every submission was answered (I8, I14).
func TestSequencer_Schedules(t *testing.T) {
	for range 10 { // each is a hundred schedules
		rapid.Check(t, func(t *rapid.T) {
			s := newSchedule(t)
			for range rapid.IntRange(20, 300).Draw(t, "steps") {
				s.step()
			}
			s.settle()
			s.check()
		})
	}
}
