package flow // internal: the simulation looks into the sequencer

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	simCount = flag.Int("simulate", 5000, "how many schedules TestSimulation plays")
	simFirst = flag.Uint64("seed", 1, "the first seed of TestSimulation")
)

// world makes the world of a schedule.
func (s *simSchedule) world() *simWorld {
	w := &simWorld{
		log: newSimLog(), mode: s.mode, keep: s.keep, buffer: s.buffer, pending: s.pending, mutant: s.mutant,
	}
	w.log.dedupes = s.mutant != mutantDedupe
	for range s.instances {
		w.born++
		w.instances = append(w.instances, w.start(fmt.Sprintf("instance %d", w.born)))
	}
	for i := range s.authors {
		c := w.newClient(string(rune('a'+i)), false)
		c.undoes = i%2 == 0
		w.clients = append(w.clients, c)
	}
	watcher := w.newClient("watcher", true)
	watcher.undoes = true
	w.clients = append(w.clients, watcher)
	for i, c := range w.clients {
		c.connect(w.instances[i%len(w.instances)])
		for c.conn.receive() {
		}
	}
	return w
}

const simRounds = 60

// play runs a schedule and returns what is wrong, "" if nothing is.
func (s *simSchedule) play(trace func(string, ...any)) string {
	w := s.world()
	w.trace = trace
	for _, step := range s.steps {
		w.step(step)
		if w.account(); w.failure != "" {
			return w.failure
		}
	}
	w.say("the faults end")
	for _, in := range w.instances {
		in.reached = true
	}
	w.late = nil
	for w.rounds = 1; w.rounds < simRounds; w.rounds++ {
		w.dice = uint64(w.rounds)
		w.round()
		if w.account(); w.failure != "" {
			return w.failure
		}
		if w.rounds > 2 && w.quiet() == "" {
			w.check()
			return w.failure
		}
	}
	return "I14: it never becomes quiet: " + w.quiet()
}

// quiet returns who is not done.
func (w *simWorld) quiet() string {
	for _, in := range w.instances {
		switch {
		case in.deleted != w.log.deleted:
			return in.name + " does not know whether the room is deleted"
		case in.deleted:
		case in.phase != phaseLive || in.seq.busy() || in.writing || in.doubt:
			return in.name + " is busy: " + in.String()
		case in.seq.head != w.log.head:
			return fmt.Sprintf("%s is at %v, the log at %v", in.name, in.seq.head, w.log.head)
		}
	}
	for _, c := range w.clients {
		switch {
		case c.gone:
		case !c.joined || c.at != w.log.head:
			return fmt.Sprintf("%s is at %v, the log at %v", c.name, c.at, w.log.head)
		case len(c.pending) > 0:
			return fmt.Sprintf("%s:%d has not been confirmed", c.session, c.pending[0])
		}
	}
	return ""
}

// minimise leaves out steps as long as the same invariant breaks.
func (s *simSchedule) minimise() simSchedule {
	least := *s
	invariant, _, _ := strings.Cut(s.play(nil), ":")
	for size := len(s.steps) / 2; size > 0; {
		smaller := false
		for i := 0; i+size <= len(least.steps); {
			t := least
			t.steps = slices.Concat(least.steps[:i], least.steps[i+size:])
			if broken, _, _ := strings.Cut(t.play(nil), ":"); broken == invariant {
				least, smaller = t, true
			} else {
				i += size
			}
		}
		if !smaller || size > len(least.steps) {
			size /= 2
		}
	}
	return least
}

// report tells of a failure so that it can be played again.
func (s *simSchedule) report(t *testing.T, failure string) {
	t.Helper()
	small := s.minimise()
	t.Errorf("seed %d: %s\nplay it alone: go test -run 'TestSimulation$' -simulate=1 -seed=%d .\n"+
		"%d instances, %d authors, mode %s, rings of %d, buffers of %d; the least of its steps that fail:",
		s.seed, failure, s.seed, s.instances, s.authors, s.mode, s.keep, s.buffer)
	failure = small.play(func(format string, args ...any) { t.Logf("  "+format, args...) })
	t.Log(failure)
}

// Whatever Redis, the network, instances and clients do, once the faults have ended it becomes quiet,
// every confirmed operation of which a copy was left is in the log once (I1), everybody has seen the same
// log with linked hashes (I2, I4) in the order of the authors (I3), and every submission was answered
// (I8, I14).
func TestSimulation(t *testing.T) {
	for i := range uint64(*simCount) {
		s := newSimSchedule(*simFirst + i)
		if failure := s.play(nil); failure != "" {
			s.report(t, failure)
			return
		}
	}
}

func (f simFrame) String() string {
	switch f.kind {
	case "op":
		return fmt.Sprintf("op %d:%04x %s:%d", f.op.Seq, uint64(f.op.Hash)>>48, f.op.Session, f.op.N)
	case "nack":
		return fmt.Sprintf("nack %s:%d %s last %d", f.nack.session, f.nack.n, f.nack.code, f.nack.last)
	case "queued":
		return fmt.Sprintf("queued %d", f.n)
	case "rewind":
		return fmt.Sprintf("rewind %d %s", f.at.Seq, f.reason)
	case "joined":
		j := f.joined
		return fmt.Sprintf("joined %s at %d, head %d, resumed %v %s, n %d %v", j.session, j.entry.position.Seq,
			j.head.Seq, j.entry.resumed, j.entry.reason, j.entry.last, j.entry.known)
	}
	return f.kind
}

func feedWords(f Feed) string {
	s := ""
	if f.Gap {
		s = "gap "
	}
	if f.Deleted {
		s = "deleted "
	}
	for _, op := range f.Operations {
		s += fmt.Sprintf("%d:%04x %s:%d ", op.Seq, uint64(op.Hash)>>48, op.Session, op.N)
	}
	return s
}
